"""One file per kind of counter; ``find_all`` asks each of them what this machine has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twentywatts.meter.sources.files import FoundSource, read_text

if TYPE_CHECKING:
    from twentywatts.meter.contract import Reader, Source

__all__ = ["NAMES", "find_all"]

# best first: where two sources show one physical counter, the earlier one is kept. What a name needs is imported when
# it is asked; a name that is not here is looked up among the installed plug-ins of the group "twentywatts.meters".
NAMES = ("powercap", "perf", "hwmon", "jetson", "nvml", "amdsmi", "apple", "battery", "wall")


def find_all(
    *,
    root: Path = Path("/"),
    reader: Reader = read_text,
    only: Sequence[str] | None = None,
    options: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Source]:
    """Return every source, or those named in ``only``; one that breaks becomes a finding and takes no other with it.

    options: more arguments of single sources, as {"perf": {"opener": …}}.
    """
    more = options or {}
    given: dict[str, Any] = {"root": root, "reader": reader}
    sources = [_find(name, {**given, **more.get(name, {})}) for name in (NAMES if only is None else only)]
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
