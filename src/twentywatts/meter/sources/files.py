"""Small kernel files: read whole, never out of the root, with a reason instead of an exception.

``Tree`` looks at a machine (a folder: ``/`` or a fixture) through an injectable reader. On the real machine counters
stay open and are read with ``pread``: one read of four zones costs a few microseconds instead of thirty. The classes
of the sources are plain or named tuples, since each data class would cost a millisecond of every start.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby

from twentywatts.meter.contract import Channel, Finding, Quantity, Reader, ReadError
from twentywatts.meter.place import ROOT, Place, place_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path
    from typing import NoReturn

    from twentywatts.meter.place import Root

__all__ = [
    "DeniedError",
    "FoundSource",
    "GoneError",
    "HeldFile",
    "Tree",
    "gather",
    "natural",
    "read_text",
    "signed",
    "unsigned",
]

_LONGEST_BYTES = 4096  # a sysfs file is one page at most
_LIMIT_W = 2000.0
_COUNTER_BYTES = 64  # twenty digits and a newline, with room to see that there are more
_REASONS = {
    errno.EACCES: "no permission to read {}",
    errno.EPERM: "no permission to read {}",
    errno.ENOENT: "{} is not there",
    errno.ENODEV: "the device behind {} is gone",
    errno.ENXIO: "the device behind {} is gone",
    errno.ENODATA: "the driver has no data in {} now",
    errno.EAGAIN: "the driver has no data in {} now",
    errno.EIO: "the hardware behind {} does not answer",
    errno.ELOOP: "{} is a loop of links",
}


class DeniedError(ReadError):
    """There is a counter, but this user may not read it."""


class GoneError(ReadError):
    """The file or the device behind it is not there."""


def read_text(path: Root) -> str:
    """Return the text of a small file; raises OSError. Never waits: a pipe without a writer reads as empty."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return os.read(descriptor, _LONGEST_BYTES).decode("utf-8", "replace")
    finally:
        os.close(descriptor)


def unsigned(text: str | bytes) -> int:
    """Return a count as the kernel prints it, at most 64 bits; raises ReadError."""
    digits = text.strip()
    if not digits or len(digits) > 20 or not digits.isdigit() or not digits.isascii():
        raise ReadError(f"not a count: {digits[:24]!r}" if digits else "an empty file")
    return int(digits)


def signed(text: str | bytes) -> int:
    """Return a count that may be negative (a battery's current); raises ReadError."""
    digits = text.strip()
    minus = "-" if isinstance(digits, str) else b"-"
    negative = digits[:1] == minus
    value = unsigned(digits[1:] if negative else digits)
    return -value if negative else value


def _explain(error: BaseException, path: Place) -> NoReturn:
    """Raise the ReadError that says what happened to ``path``."""
    number = error.errno if isinstance(error, OSError) and error.errno is not None else 0
    name = f"{path.parent.name}/{path.name}"
    detail = os.strerror(number) if number else type(error).__name__
    text = _REASONS.get(number, "{} cannot be read: " + detail.replace("{", "").replace("}", "")).format(name)
    if number in (errno.EACCES, errno.EPERM):
        raise DeniedError(text) from error
    if number in (errno.ENOENT, errno.ENODEV, errno.ENXIO, errno.ENOTDIR):
        raise GoneError(text) from error
    raise ReadError(text) from error


class HeldFile:
    """A counter file that is opened at the first read and stays open; the value is its count times ``scale``."""

    __slots__ = ("_descriptor", "_path", "_scale")

    def __init__(self, path: Place, scale: float) -> None:
        self._path, self._scale, self._descriptor = path, scale, -1

    def read(self) -> float:
        """Return the value now; raises ReadError. A device that went away is opened again at the next read."""
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            text = os.pread(self._descriptor, _COUNTER_BYTES, 0)
        except OSError as error:
            self.close()
            _explain(error, self._path)
        if text[:-1].isdigit() and len(text) < 21:  # what a kernel writes: digits and a newline
            return int(text) * self._scale
        return unsigned(text) * self._scale

    def close(self) -> None:
        """Give the descriptor back."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def natural(name: str) -> list[tuple[int, str]]:
    """Order hwmon2 before hwmon10."""
    parts = [(-1, "")] if name[:1].isdecimal() else []
    for is_number, letters in groupby(name, _is_figure):
        part = "".join(letters)
        parts.append((int(part), "") if is_number else (-1, part))
    return parts


def _is_figure(letter: str) -> bool:
    return "0" <= letter <= "9"


class Tree:
    """A machine as a folder of files; nothing here leaves ``root`` or raises anything but ReadError."""

    __slots__ = ("_real_root", "reader", "root")

    def __init__(self, root: Root, reader: Reader = read_text) -> None:
        self.root, self.reader = place_of(root), reader
        self._real_root = ""

    def at(self, *parts: str) -> Place:
        """Return a path in the machine, /sys/class for "sys" and "class"."""
        return Place(os.path.join(self.root, *parts))

    def holds(self, path: Place) -> bool:
        """Return whether ``path``, with every link followed, lies inside the root."""
        if self.root == ROOT:
            return True
        try:
            root = self._real_root = self._real_root or os.path.realpath(self.root)
            target = os.path.realpath(path)
        except (OSError, ValueError):
            return False
        return target == root or target.startswith(root + os.sep)

    def names(self, path: Place) -> list[str]:
        """Return the names in a folder, hwmon2 before hwmon10; none where it cannot be listed."""
        if not self.holds(path):
            return []
        try:
            return sorted(os.listdir(path), key=natural)
        except (OSError, ValueError):
            return []

    def folders(self, path: Place, pattern: str) -> Iterator[Place]:
        """Yield the folders in ``path`` whose whole name matches ``pattern`` and that lie inside the root."""
        import re

        for name in self.names(path):
            if re.fullmatch(pattern, name) and self.names(path / name):
                yield path / name

    def text(self, path: Place) -> str:
        """Return a file's text without spaces around it; raises ReadError."""
        if not self.holds(path):
            raise GoneError(f"{path.parent.name}/{path.name} leads out of this machine's folder")
        return self.text_again(path)

    def text_again(self, path: Place) -> str:
        """Return the text of a file that was found to lie inside the root before; raises ReadError."""
        try:
            return str(self.reader(path) if self.reader is read_text else self.reader(_as_path(path))).strip()
        except (OSError, ValueError, LookupError) as error:  # a reader may be a dictionary
            _explain(error, path)

    def text_or(self, path: Place, default: str = "") -> str:
        """Return a file's text in printable letters, or the default where it cannot be read."""
        try:
            found = self.text(path)
        except ReadError:
            return default
        return "".join(letter for letter in found[:120] if letter.isprintable()) or default

    def count(self, path: Place) -> int:
        """Return the count in a file; raises ReadError."""
        return unsigned(self.text(path))

    def count_or(self, path: Place, default: int | None = None) -> int | None:
        """Return the count in a file, or the default where it cannot be read."""
        try:
            return self.count(path)
        except ReadError:
            return default

    def limit_w(self, folder: Place, wanted: Iterable[str]) -> float:
        """Return the power that no reading can exceed [W]: 2 kW, or half as much again as the device's own limits.

        wanted: names of the files in ``folder`` that may hold such a limit [µW].
        """
        names = set(self.names(folder))
        limits = [(self.count_or(folder / name) or 0) * 1e-6 for name in wanted if name in names]
        return max([_LIMIT_W, *(1.5 * limit for limit in limits if limit < 10 * _LIMIT_W)])

    def meter(self, path: Place, scale: float) -> tuple[Callable[[], float], Callable[[], None]]:
        """Return (read, close) of a counter file whose count times ``scale`` is joules or watts."""
        if self.reader is read_text and self.root == ROOT:
            held = HeldFile(path, scale)
            return held.read, held.close
        if not self.holds(path):
            return (lambda: self.count(path) * scale), (lambda: None)  # says why at every read
        return (lambda: unsigned(self.text_again(path)) * scale), (lambda: None)


class FoundSource:
    """A Source that has looked already: what can be read, and what doctor says of all there is."""

    __slots__ = ("found", "name", "said")

    def __init__(self, *, name: str, found: tuple[Channel, ...] = (), said: tuple[Finding, ...] = ()) -> None:
        self.name, self.found, self.said = name, found, said

    def channels(self) -> list[Channel]:
        """Return the channels that can be read now."""
        return list(self.found)

    def findings(self) -> list[Finding]:
        """Return what doctor says."""
        return list(self.said)


def _as_path(place: Place) -> Path:
    from pathlib import Path

    return Path(place)


Advice = Callable[[Channel, ReadError], tuple[str, ...]]


def gather(name: str, candidates: Iterable[Channel], *, advise: Advice, others: Iterable[Finding] = ()) -> FoundSource:
    """Return a source of the candidates that can be read now, with a finding for each and ``others`` after them."""
    found, said = [], []
    for channel in candidates:
        reason = "; ".join(channel.notes)
        fix: tuple[str, ...] = ()
        try:
            channel.read()
        except ReadError as error:
            reason, fix = str(error), advise(channel, error)
            channel.close()
        else:
            found.append(channel)
        readable = found[-1:] == [channel]
        accuracy = _accuracy(channel) if readable else ""
        said.append(
            Finding(
                source=name, what=channel.key, found=True, readable=readable, accuracy=accuracy, reason=reason, fix=fix
            )
        )
    return FoundSource(name=name, found=tuple(found), said=(*said, *others))


def _accuracy(channel: Channel) -> str:
    kind = "counter" if channel.quantity is Quantity.ENERGY else "power sensor"
    if not channel.error_frac:
        return f"{kind}, error not published"
    return f"{kind}, ±{100 * channel.error_frac:g} %, {'published' if channel.error_source else 'as the device says'}"
