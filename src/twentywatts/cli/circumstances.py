"""The circumstances of a run: what stands under ``run`` in every document, outside the guarantee of sameness."""

from __future__ import annotations

import shlex
import sys

__all__ = ["circumstances"]


def circumstances() -> dict[str, str]:
    """Return the command, the time, the kind of host and the versions."""
    import os
    import time

    from twentywatts import __version__
    from twentywatts.errors import clean

    return {
        "command": clean(shlex.join(["twentywatts", *sys.argv[1:]])),
        "time": time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime()),
        "host": f"{os.uname().sysname} {os.uname().machine}" if hasattr(os, "uname") else sys.platform,
        "python": sys.version.partition(" ")[0],
        "twentywatts": __version__,
    }
