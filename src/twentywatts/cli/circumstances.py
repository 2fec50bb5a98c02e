"""The circumstances of a run: what stands under ``run`` in every document, outside the guarantee of sameness."""

from __future__ import annotations

import shlex
import sys

__all__ = ["circumstances"]


def circumstances() -> dict[str, str]:
    """Return the command, the time, the kind of host and the versions."""
    import datetime
    import platform

    from twentywatts import __version__
    from twentywatts.errors import clean

    return {
        "command": clean(shlex.join(["twentywatts", *sys.argv[1:]])),
        "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "host": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "twentywatts": __version__,
    }
