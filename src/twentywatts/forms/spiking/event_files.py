"""Recordings of event cameras, read in pieces: N-MNIST's binary, AEDAT 3.1, and AEDAT 4 where ``aedat`` is installed.

Formats as published: N-MNIST at garrickorchard.com/datasets/n-mnist (5 bytes an event; its own readers add 2^13 µs at
each event of row 240, which marks an overflow); AEDAT 3.1 in iniVation's libcaer (a text header, then packets of 28
bytes of header and 8 bytes an event); AEDAT 4 is read by the library ``aedat`` (MIT). Coordinates are checked by the
stream, which knows the sensor.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import InputError, MissingExtraError
from twentywatts.forms.spiking.streams import AddressEvents

__all__ = ["event_chunks"]

_PIECE = 2**16  # events read at a time
_OVERFLOW_ROW, _OVERFLOW_US = 240, 2**13
_PACKET = struct.Struct("<hhiiiiii")
_POLARITY, _EVENT_BYTES = 1, 8
_MOST_PACKET_BYTES = 2**28
_LOOKED_AT_BYTES = 256
_OTHER_FORMATS = {
    b"\x89HDF\r\n": "an HDF5 file",
    b"PK\x03\x04": "a zip archive (or .npz)",
    b"\x1f\x8b\x08": "compressed by gzip",
    b"\x93NUMPY": "an array of NumPy",
    b"#ROSBAG": "a ROS bag",
}
_HEADER_LINES, _HEADER_LINE_BYTES = 1000, 2**16


def event_chunks(path: str | Path) -> Iterator[AddressEvents]:
    """Yield a recording's polarity events in pieces; memory does not grow with the file.

    Raises InputError for files that are not there, cut off, or of another format.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(_LOOKED_AT_BYTES)
            file.seek(0)
            if start.startswith(b"#!AER-DAT4"):
                yield from _aedat4(path)
            elif start.startswith(b"#!AER-DAT3"):
                yield from _aedat3(file, path.name)
            elif start.startswith(b"#!AER-DAT"):
                raise InputError(
                    f"{path.name} is {start[2:12].decode('ascii', 'replace')}: 3.1, 4.0 and N-MNIST are read"
                )
            elif other := _other_format(start):
                raise InputError(
                    f"{path.name} is {other}: AEDAT 3.1, AEDAT 4.0 and N-MNIST's binary are read; give the events of "
                    "any other format as AddressEvents"
                )
            else:
                yield from _nmnist(file, path.name)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}") from None


def _other_format(start: bytes) -> str:
    """Return which other kind of file begins like this, or nothing: N-MNIST's events have no sign of their own."""
    for sign, kind in _OTHER_FORMATS.items():
        if start.startswith(sign):
            return kind
    line, end, _ = start.partition(b"\n")
    return (
        "a recording with a text header (Prophesee RAW or DAT)" if end and line[:2] == b"% " and _is_text(line) else ""
    )


def _is_text(line: bytes) -> bool:
    return all(32 <= letter < 127 for letter in line.rstrip(b"\r"))


def _nmnist(file: BinaryIO, name: str) -> Iterator[AddressEvents]:
    shift, first = 0, True
    while raw := file.read(5 * _PIECE):
        if len(raw) % 5 or (first and len(raw) < 5):
            raise InputError(
                f"{name} is no event recording: N-MNIST has 5 bytes an event, {len(raw) % 5} are left over"
            )
        bytes_ = np.frombuffer(raw, np.uint8).reshape(-1, 5).astype(np.int64)
        marks = bytes_[:, 1] == _OVERFLOW_ROW
        overflow = shift + np.cumsum(marks) * _OVERFLOW_US
        shift, first = int(overflow[-1]), False
        time_us = ((bytes_[:, 2] & 127) << 16 | bytes_[:, 3] << 8 | bytes_[:, 4]) + overflow
        real = bytes_[~marks]
        yield _events(time_us[~marks], real[:, 0], real[:, 1], real[:, 2] >> 7)


def _aedat3(file: BinaryIO, name: str) -> Iterator[AddressEvents]:
    for _ in range(_HEADER_LINES):
        line = file.readline(_HEADER_LINE_BYTES)
        if line.strip() == b"#!END-HEADER":
            break
        if not line.startswith(b"#"):
            raise InputError(f"{name} has no end of its AEDAT 3 header")
    while head := file.read(_PACKET.size):
        if len(head) < _PACKET.size:
            raise InputError(f"{name} is cut off within a packet's header")
        kind, _, size, offset, overflow, capacity, count, _ = _PACKET.unpack(head)
        if size < 1 or not 0 <= count <= capacity or capacity * size > _MOST_PACKET_BYTES or overflow < 0:
            raise InputError(f"{name} has a packet of {capacity} events of {size} bytes: the file is damaged")
        body = file.read(count * size)
        if len(body) < count * size:
            raise InputError(f"{name} is cut off within a packet of {count} events")
        if kind == _POLARITY:
            if size != _EVENT_BYTES or offset != 4:
                raise InputError(f"{name} has polarity events of {size} bytes, 8 are wanted")
            yield _polarity(body, overflow)


def _polarity(body: bytes, overflow: int) -> AddressEvents:
    """Return the valid events of a packet: bit 0 valid, 1 polarity, 2 to 16 row, 17 to 31 column; 31-bit times [µs]."""
    table = np.frombuffer(body, "<u4").reshape(-1, 2).astype(np.int64)
    data, time_us = table[table[:, 0] & 1 == 1].T
    return _events(time_us + (overflow << 31), data >> 17, data >> 2 & 0x7FFF, data >> 1 & 1)


def _aedat4(path: Path) -> Iterator[AddressEvents]:
    try:
        import aedat
    except ImportError:
        raise MissingExtraError("aedat", "events") from None
    try:
        for packet in aedat.Decoder(str(path)):
            if "events" in packet:
                found = packet["events"]
                yield _events(found["t"], found["x"], found["y"], found["on"])
    except (RuntimeError, ValueError, OSError) as error:
        raise InputError(f"{path.name} cannot be read as AEDAT 4: {error}") from None


def _events(time_us: NDArray[Any], x: NDArray[Any], y: NDArray[Any], p: NDArray[Any]) -> AddressEvents:
    return AddressEvents(time_s=np.asarray(time_us, np.float64) * 1e-6, x=x, y=y, p=np.asarray(p, np.int64))
