"""One file per kind of counter; ``find_all`` asks each of them what this machine has."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from twentywatts.meter.place import ROOT
from twentywatts.meter.sources.files import FoundSource, read_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from twentywatts.meter.contract import Finding, Reader, Source
    from twentywatts.meter.place import Root

__all__ = ["NAMES", "find_all"]

# best first: where two sources show one physical counter, the earlier one is kept. What a name needs is imported when
# it is asked; a name that is not here is looked up among the installed plug-ins of the group "twentywatts.meters".
NAMES = ("powercap", "perf", "hwmon", "jetson", "nvml", "amdsmi", "apple", "battery", "wall")
# files without one of which a source has nothing to find: it is then not even loaded, until doctor asks it why
_SIGNS = {
    "powercap": ("sys/class/powercap", "host/sys/class/powercap"),
    "perf": ("sys/bus/event_source/devices/power",),
    "hwmon": ("sys/class/hwmon",),
    "jetson": ("sys/bus/i2c/drivers/ina3221", "sys/bus/i2c/drivers/ina3221x"),
    "nvml": ("dev/nvidiactl", "proc/driver/nvidia/version", "dev/dxg"),
    "amdsmi": ("sys/module/amdgpu",),
    "apple": (),
    "battery": ("sys/class/power_supply",),
}


def find_all(
    *,
    root: Root = ROOT,
    reader: Reader = read_text,
    only: Sequence[str] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Source]:
    """Return every source, or those named in ``only``; one that breaks becomes a finding and takes no other with it.

    options: more arguments of single sources, as {"perf": {"opener": …}}.
    """
    more = options or {}
    given: dict[str, Any] = {"root": root, "reader": reader}
    sources = [_later_or_now(name, given, more.get(name, {})) for name in (NAMES if only is None else only)]
    _nest([source for source in sources if isinstance(source, FoundSource)])
    return sources


def _nest(sources: Sequence[FoundSource]) -> None:
    """Let every face of RAPL know its containers, also those that another source shows."""
    if not any(channel.twin.startswith("rapl:") for source in sources for channel in source.found):
        return
    from twentywatts.meter.sources.rapl import nested

    channels = {channel.key: channel for channel in nested([c for source in sources for c in source.found])}
    for source in sources:
        source.found = tuple(channels[channel.key] for channel in source.found)


class _Absent(FoundSource):
    """A source that has nothing to find here; why, it tells when it is asked."""

    __slots__ = ("_ask",)

    def __init__(self, name: str, ask: Callable[[], Source]) -> None:
        super().__init__(name=name)
        self._ask = ask

    def findings(self) -> list[Finding]:
        return self._ask().findings()


def _later_or_now(name: str, given: dict[str, Any], more: Mapping[str, Any]) -> Source:
    arguments = {**given, **more}
    is_plain = not more and given["reader"] is read_text and sys.platform == "linux"
    if is_plain and name in _SIGNS and not any(_is_there(given["root"], sign) for sign in _SIGNS[name]):
        return _Absent(name, lambda: _find(name, arguments))
    return _find(name, arguments)


def _is_there(root: Root, sign: str) -> bool:
    path = os.path.join(root, sign)
    try:
        return bool(os.listdir(path))
    except NotADirectoryError:
        return True
    except OSError:
        return os.path.exists(path)  # a folder that may not be listed


def _find(name: str, arguments: dict[str, Any]) -> Source:
    from importlib import import_module

    from twentywatts.meter.contract import Finding

    try:
        if name in NAMES:
            source: Source = import_module(f"{__name__}.{name}").find(**arguments)
            return source
        from twentywatts import plugins

        plugged = plugins.find("meters", name)
        if plugged is not None:
            found: Source = plugged(**arguments)
            return found
        reason = f"no source is named {name!r}: there are {', '.join(NAMES)} and what plug-ins bring"
    except Exception as error:
        reason = f"this source does not work here: {type(error).__name__}: {error}"
    said = Finding(source=name, what=name, found=False, readable=False, reason=reason)
    return FoundSource(name=name, said=(said,))
