"""``perf_event_open`` by ctypes: an event that counts on one processor for every process."""

from __future__ import annotations

import ctypes
import os
import struct

__all__ = ["OpenEvent", "open_event"]

# the number of the system call, by the processor's name and the bits of this process (the kernel's syscall tables)
_NUMBERS = {
    ("x86_64", 64): 298,
    ("x86_64", 32): 336,
    ("i686", 32): 336,
    ("i586", 32): 336,
    ("aarch64", 64): 241,
    ("riscv64", 64): 241,
    ("loongarch64", 64): 241,
    ("ppc64le", 64): 319,
    ("s390x", 64): 331,
}
_SIZE_BYTES = 64  # the first published size of perf_event_attr
_CLOSE_ON_EXEC = 8


class OpenEvent:
    """An open event; raises OSError where it cannot be read."""

    __slots__ = ("_descriptor",)

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def read(self) -> int:
        """Return the count now."""
        data = os.read(self._descriptor, 8)
        if len(data) != 8:
            raise OSError("the kernel gave a short answer")
        return int.from_bytes(data, "little" if struct.pack("=H", 1)[0] else "big")

    def close(self) -> None:
        """Give the descriptor back."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def open_event(kind: int, config: int, cpu: int) -> OpenEvent:
    """Return the event ``config`` of device ``kind``, counting on processor ``cpu``; raises OSError."""
    number = _NUMBERS.get((os.uname().machine, 8 * struct.calcsize("P")))
    if number is None:
        raise OSError(f"the system call is not known for {os.uname().machine}")
    attributes = struct.pack("=IIQ", kind, _SIZE_BYTES, config).ljust(_SIZE_BYTES, b"\0")
    library = ctypes.CDLL(None, use_errno=True)
    arguments = [ctypes.c_long(number), ctypes.create_string_buffer(attributes, _SIZE_BYTES)]
    arguments += [ctypes.c_int(-1), ctypes.c_int(cpu), ctypes.c_int(-1), ctypes.c_ulong(_CLOSE_ON_EXEC)]
    descriptor = library.syscall(*arguments)
    if descriptor < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return OpenEvent(descriptor)
