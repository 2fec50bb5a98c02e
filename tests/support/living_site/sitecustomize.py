"""Run at the start of every Python that a test starts inside ``living``: its counters live there too."""

import os
import runpy
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))

for _folder in sys.path:  # the one that this one hides
    _other = os.path.join(_folder, "sitecustomize.py")
    if os.path.abspath(_folder) != _HERE and os.path.isfile(_other):
        runpy.run_path(_other)
        break

import living_counters  # noqa: E402

from twentywatts.meter.sources import files  # noqa: E402

files.os = living_counters.Opening(os.environ[living_counters.VARIABLE])
