"""NVML as we call it: opened once, counted, closed with the last reader, and every failure one ReadError.

The functions come from the module ``pynvml`` of the package nvidia-ml-py; anything with the same functions will do.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from twentywatts.meter.contract import ReadError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["Board", "Library", "NotSupportedError", "is_unsupported"]

_MILLI = 1e-3  # NVML counts millijoules and milliwatts
_UNINITIALIZED, _NOT_SUPPORTED, _FUNCTION_NOT_FOUND = 1, 3, 13  # nvmlReturn_t
_MEMBERS = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")  # of the union nvmlValue_t, by type
_ARCHITECTURES = "KEPLER MAXWELL PASCAL VOLTA TURING AMPERE ADA HOPPER BLACKWELL RUBIN".split()


class NotSupportedError(ReadError):
    """The board has no such counter: it is sampled another way or unavailable, never 0."""


def is_unsupported(error: BaseException) -> bool:
    """Return whether NVML says that this board or this driver cannot give the value."""
    return isinstance(error, NotSupportedError) or getattr(error, "value", None) in (
        _NOT_SUPPORTED,
        _FUNCTION_NOT_FOUND,
    )


class Library:
    """NVML with a count of who holds it; ``nvmlShutdown`` is called when the last holder lets go."""

    def __init__(self, nvml: Any) -> None:
        self.nvml = nvml
        self._lock = threading.Lock()
        self._holders = 0

    def hold(self) -> None:
        """Open NVML for one more holder; raises ReadError where there is no driver."""
        with self._lock:
            if self._holders == 0:
                self._attempt(self.nvml.nvmlInit)
            self._holders += 1

    def release(self) -> None:
        """Let go; the last one shuts NVML down. Never raises: a driver that is gone cannot be closed."""
        with self._lock:
            if self._holders == 0:
                return
            self._holders -= 1
            if self._holders == 0:
                try:
                    self.nvml.nvmlShutdown()
                except Exception:  # the driver was unloaded, or another part of the program closed it already
                    return

    def call(self, name: str, *arguments: Any) -> Any:
        """Return what the function ``name`` gives; raises ReadError with NVML's reason.

        NVML is opened again once where another part of the program has shut it down.
        """
        function = getattr(self.nvml, name, None)
        if function is None:
            raise NotSupportedError(f"this nvidia-ml-py has no {name}")
        try:
            return function(*arguments)
        except Exception as error:
            if getattr(error, "value", None) != _UNINITIALIZED or self._holders == 0:
                raise self._explained(error) from error
        self._attempt(self.nvml.nvmlInit)
        return self._attempt(lambda: function(*arguments))

    def call_or(self, default: Any, name: str, *arguments: Any) -> Any:
        """Return what the function gives, or ``default`` where it fails."""
        try:
            return self.call(name, *arguments)
        except ReadError:
            return default

    def count(self, name: str, *, most: int) -> int:
        """Return a number of things, 0 where it is not told and ``most`` at the most."""
        found = self.call_or(0, name)
        return min(found, most) if isinstance(found, int) and found > 0 else 0

    def text(self, name: str, *arguments: Any) -> str:
        """Return a text in printable letters; raises ReadError. Older releases give bytes."""
        return _printable(self.call(name, *arguments))

    def _attempt(self, function: Callable[[], Any]) -> Any:
        try:
            return function()
        except Exception as error:
            raise self._explained(error) from error

    def _explained(self, error: Exception) -> ReadError:
        try:
            reason = str(error) or type(error).__name__
        except Exception:  # NVML itself makes the text
            reason = type(error).__name__
        return NotSupportedError(reason) if is_unsupported(error) else ReadError(reason)


class Board:
    """One board by its UUID; its handle is asked for again after a failure, because a lost board may come back."""

    def __init__(self, driver: Library, uuid: str, handle: Any) -> None:
        self.driver, self.uuid = driver, uuid
        self._handle: Any = handle

    def call(self, name: str, *arguments: Any) -> Any:
        """Return what a device function gives; raises ReadError."""
        if self._handle is None:
            self._handle = self.driver.call("nvmlDeviceGetHandleByUUID", self.uuid)
        try:
            return self.driver.call(name, self._handle, *arguments)
        except NotSupportedError:
            raise
        except ReadError:
            self._handle = None
            raise

    def call_or(self, default: Any, name: str, *arguments: Any) -> Any:
        """Return what a device function gives, or ``default`` where it fails."""
        try:
            return self.call(name, *arguments)
        except ReadError:
            return default

    def count(self, name: str, *, most: int) -> int:
        """Return a number of things, 0 where it is not told and ``most`` at the most."""
        found = self.call_or(0, name)
        return min(found, most) if isinstance(found, int) and found > 0 else 0

    def text(self, name: str) -> str:
        """Return a text in printable letters, empty where there is none."""
        return _printable(self.call_or("", name))

    def energy_j(self) -> float:
        """Return the energy since the driver was loaded [J], Volta and newer."""
        return _positive(self.call("nvmlDeviceGetTotalEnergyConsumption")) * _MILLI

    def usage_w(self) -> float:
        """Return the power [W], averaged over 1 s on Ampere (except GA100) and newer."""
        return _positive(self.call("nvmlDeviceGetPowerUsage")) * _MILLI

    def instant_w(self, scope: int | None = None) -> float:
        """Return the power now [W]; scope: NVML_POWER_SCOPE_MODULE for the module that carries the board."""
        field = getattr(self.driver.nvml, "NVML_FI_DEV_POWER_INSTANT", None)
        if field is None:
            raise NotSupportedError("this nvidia-ml-py has no NVML_FI_DEV_POWER_INSTANT")
        answer = self.call("nvmlDeviceGetFieldValues", [field if scope is None else (field, scope)])
        try:
            return self._field_w(answer[0])
        except (TypeError, LookupError, AttributeError, ValueError) as error:
            raise ReadError(f"NVML gave a power that cannot be read: {error}") from error

    def _field_w(self, found: Any) -> float:
        if found.nvmlReturn:
            kind = NotSupportedError if found.nvmlReturn in (_NOT_SUPPORTED, _FUNCTION_NOT_FOUND) else ReadError
            raise kind(f"NVML gives error {found.nvmlReturn} for the power now")
        return _positive(getattr(found.value, _MEMBERS[found.valueType])) * _MILLI

    def architecture(self) -> str:
        """Return "hopper", "ga100" (Ampere of compute capability 8.0: other sensor than its sisters), or empty."""
        number = self.call_or(None, "nvmlDeviceGetArchitecture")
        names = {getattr(self.driver.nvml, f"NVML_DEVICE_ARCH_{name}", -1): name.lower() for name in _ARCHITECTURES}
        name = names.get(number, "") if isinstance(number, int) else ""
        if name == "ampere" and self.call_or(None, "nvmlDeviceGetCudaComputeCapability") in ([8, 0], (8, 0)):
            return "ga100"
        return name

    def limit_w(self) -> float | None:
        """Return the largest power limit that can be set [W], None where it is not told."""
        found = self.call_or(None, "nvmlDeviceGetPowerManagementLimitConstraints")
        try:
            return _positive(found[1]) * _MILLI or None
        except (TypeError, LookupError, ReadError):
            return None


def _printable(found: Any) -> str:
    words = found.decode("utf-8", "replace") if isinstance(found, bytes) else str(found)
    return "".join(letter for letter in words[:120] if letter.isprintable()).strip()


def _positive(count: Any) -> float:
    """Return a count; raises ReadError where it is not a number of 0 or more."""
    if isinstance(count, bool) or not isinstance(count, int | float) or not 0 <= count < 2.0**64:
        raise ReadError(f"NVML gave {count!r}")
    return float(count)
