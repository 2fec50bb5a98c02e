"""A machine with NVIDIA boards: the functions of pynvml that the meter calls, played from a clock and a script.

    nvml = FakeNvml([FakeBoard(power_w=lambda t: 300.0)], clock)
    find(nvml=nvml, environ={})

The energy counter is a staircase: it moves every ``update_s`` and counts what was drawn until then. ``lost`` boards
raise NVMLError_GpuIsLost, ``reload()`` starts every counter anew, a script raises what it likes at the nth call.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

__all__ = ["Clock", "FakeBoard", "FakeNvml", "NVMLError", "fuzzed"]

SUCCESS, UNINITIALIZED, INVALID_ARGUMENT, NOT_SUPPORTED, NO_PERMISSION, NOT_FOUND = 0, 1, 2, 3, 4, 6
DRIVER_NOT_LOADED, LIBRARY_NOT_FOUND, GPU_IS_LOST, UNKNOWN = 9, 12, 15, 999
TEXTS = {
    UNINITIALIZED: "Uninitialized",
    INVALID_ARGUMENT: "Invalid Argument",
    NOT_SUPPORTED: "Not Supported",
    NO_PERMISSION: "Insufficient Permissions",
    NOT_FOUND: "Not Found",
    DRIVER_NOT_LOADED: "Driver Not Loaded",
    LIBRARY_NOT_FOUND: "NVML Shared Library Not Found",
    GPU_IS_LOST: "GPU is lost",
    UNKNOWN: "Unknown Error",
}
ARCHITECTURES = {
    "kepler": 2,
    "maxwell": 3,
    "pascal": 4,
    "volta": 5,
    "turing": 6,
    "ampere": 7,
    "ada": 8,
    "hopper": 9,
    "blackwell": 10,
}


class NVMLError(Exception):
    """As in pynvml: ``value`` is the return code, the text is NVML's."""

    def __init__(self, value: int) -> None:
        super().__init__(value)
        self.value = value

    def __str__(self) -> str:
        return TEXTS.get(self.value, f"NVML Error with code {self.value}")


class Clock:
    """Seconds that pass when they are told to."""

    def __init__(self, now_s: float = 0.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@dataclass
class FakeBoard:
    """A board. power_w: a number or a function of seconds. has: which of energy, instant, usage NVML supports."""

    power_w: float | Callable[[float], float] = 100.0
    name: str = "NVIDIA H100 80GB HBM3"
    uuid: str = ""
    architecture: str = "hopper"
    capability: tuple[int, int] = (9, 0)
    has: frozenset[str] = frozenset({"energy", "instant", "usage"})
    update_s: float = 0.1
    limit_w: float = 700.0
    started_j: float = 1000.0
    partitions: tuple[str, ...] = ()
    virtual: bool = False
    module_w: float | None = None
    lost: bool = False
    busy: Mapping[int, Sequence[int]] | None = field(default_factory=dict)
    counted_from_s: float = 0.0

    def power(self, time_s: float) -> float:
        return self.power_w(time_s) if callable(self.power_w) else self.power_w

    def energy_j(self, time_s: float) -> float:
        """What the counter shows: whole updates only, the power of each taken at its middle."""
        updates = int((time_s - self.counted_from_s) / self.update_s + 1e-9)
        if not callable(self.power_w):
            return self.started_j + updates * self.update_s * self.power_w
        middles = (self.counted_from_s + (index + 0.5) * self.update_s for index in range(updates))
        return self.started_j + self.update_s * sum(self.power_w(middle) for middle in middles)


class FakeNvml:
    """Takes the place of the module pynvml."""

    NVML_FI_DEV_POWER_INSTANT = 186
    NVML_POWER_SCOPE_MODULE = 1
    NVML_GPU_VIRTUALIZATION_MODE_VGPU = 2
    NVML_ERROR_NOT_FOUND = NOT_FOUND
    NVMLError = NVMLError

    def __init__(
        self,
        boards: Sequence[FakeBoard] = (),
        clock: Callable[[], float] = Clock(),  # noqa: B008
        *,
        init_error: int = SUCCESS,
        script: Callable[[str, int], Any] | None = None,
    ) -> None:
        self.boards = list(boards)
        for position, board in enumerate(self.boards):
            board.uuid = board.uuid or f"GPU-{position:08x}-0000-0000-0000-000000000000"
        self.clock, self.init_error, self.script = clock, init_error, script
        self.open = 0
        self.calls: list[str] = []
        for name, number in ARCHITECTURES.items():
            setattr(self, f"NVML_DEVICE_ARCH_{name.upper()}", number)

    def reload(self) -> None:
        """The driver is unloaded and loaded again: counters start at 0, whoever had NVML open has it no more."""
        self.open = 0
        for board in self.boards:
            board.started_j, board.counted_from_s = 0.0, self.clock()

    def nvmlInit(self) -> None:  # noqa: N802
        if self.init_error:
            raise NVMLError(self.init_error)
        self.open += 1

    def nvmlShutdown(self) -> None:  # noqa: N802
        if not self.open:
            raise NVMLError(UNINITIALIZED)
        self.open -= 1

    def __getattr__(self, name: str) -> Any:
        function = _FUNCTIONS.get(name)
        if function is None:
            raise AttributeError(name)

        def call(*arguments: Any) -> Any:
            self.calls.append(name)
            if not self.open:
                raise NVMLError(UNINITIALIZED)
            played = self.script(name, len(self.calls)) if self.script else None
            if isinstance(played, BaseException):
                raise played
            return function(self, *arguments) if played is None else played

        return call

    def board(self, handle: Any) -> FakeBoard:
        if not isinstance(handle, FakeBoard):
            raise NVMLError(INVALID_ARGUMENT)
        if handle.lost:
            raise NVMLError(GPU_IS_LOST)
        return handle


def _by_index(nvml: FakeNvml, index: int) -> FakeBoard:
    if not 0 <= index < len(nvml.boards):
        raise NVMLError(INVALID_ARGUMENT)
    return nvml.board(nvml.boards[index])


def _by_uuid(nvml: FakeNvml, uuid: str) -> FakeBoard:
    found = [board for board in nvml.boards if board.uuid == uuid]
    if not found:
        raise NVMLError(NOT_FOUND)
    return nvml.board(found[0])


def _uuid(nvml: FakeNvml, handle: Any) -> str:
    return handle.uuid if isinstance(handle, SimpleNamespace) else nvml.board(handle).uuid


def _supported(board: FakeBoard, what: str) -> None:
    if what not in board.has:
        raise NVMLError(NOT_SUPPORTED)


def _energy(nvml: FakeNvml, handle: Any) -> int:
    board = nvml.board(handle)
    _supported(board, "energy")
    return round(board.energy_j(nvml.clock()) * 1000)


def _usage(nvml: FakeNvml, handle: Any) -> int:
    board = nvml.board(handle)
    _supported(board, "usage")
    return round(board.power(nvml.clock()) * 1000)


def _fields(nvml: FakeNvml, handle: Any, wanted: Sequence[Any]) -> list[Any]:
    board = nvml.board(handle)
    is_module = isinstance(wanted[0], tuple) and wanted[0][1] == nvml.NVML_POWER_SCOPE_MODULE
    power_w = board.module_w if is_module else board.power(nvml.clock()) if "instant" in board.has else None
    code = NOT_SUPPORTED if power_w is None else SUCCESS
    value = SimpleNamespace(uiVal=round((power_w or 0.0) * 1000))
    return [SimpleNamespace(nvmlReturn=code, valueType=1, value=value)]


def _mig_mode(nvml: FakeNvml, handle: Any) -> list[int]:
    board = nvml.board(handle)
    if board.capability < (8, 0):
        raise NVMLError(NOT_SUPPORTED)
    return [int(bool(board.partitions))] * 2


def _mig_handle(nvml: FakeNvml, handle: Any, index: int) -> SimpleNamespace:
    board = nvml.board(handle)
    if index >= len(board.partitions):
        raise NVMLError(NOT_FOUND)
    return SimpleNamespace(uuid=board.partitions[index])


def _busy(nvml: FakeNvml, handle: Any, since_us: int) -> list[SimpleNamespace]:
    board = nvml.board(handle)
    if board.busy is None or board.partitions:
        raise NVMLError(NOT_SUPPORTED)
    if not board.busy:
        raise NVMLError(NOT_FOUND)
    return [SimpleNamespace(pid=pid, smUtil=value) for pid, values in board.busy.items() for value in values]


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "nvmlDeviceGetCount": lambda nvml: len(nvml.boards),
    "nvmlDeviceGetHandleByIndex": _by_index,
    "nvmlDeviceGetHandleByUUID": _by_uuid,
    "nvmlDeviceGetUUID": _uuid,
    "nvmlDeviceGetName": lambda nvml, handle: nvml.board(handle).name,
    "nvmlDeviceGetArchitecture": lambda nvml, handle: ARCHITECTURES[nvml.board(handle).architecture],
    "nvmlDeviceGetCudaComputeCapability": lambda nvml, handle: list(nvml.board(handle).capability),
    "nvmlDeviceGetVirtualizationMode": lambda nvml, handle: 2 if nvml.board(handle).virtual else 0,
    "nvmlDeviceGetPowerManagementLimitConstraints": lambda nvml, handle: [0, round(nvml.board(handle).limit_w * 1000)],
    "nvmlDeviceGetTotalEnergyConsumption": _energy,
    "nvmlDeviceGetPowerUsage": _usage,
    "nvmlDeviceGetFieldValues": _fields,
    "nvmlDeviceGetMigMode": _mig_mode,
    "nvmlDeviceGetMaxMigDeviceCount": lambda nvml, handle: 7 if nvml.board(handle).partitions else 0,
    "nvmlDeviceGetMigDeviceHandleByIndex": _mig_handle,
    "nvmlDeviceGetProcessUtilization": _busy,
    "nvmlSystemGetDriverVersion": lambda nvml: "580.00.00",
}


def fuzzed(seed: int, clock: Callable[[], float]) -> FakeNvml:
    """Return a machine whose NVML fails, lies and forgets in ways drawn from ``seed``."""
    draw = random.Random(seed)
    wrong = [NVMLError(code) for code in (*TEXTS, 77)]
    wrong += [RuntimeError("x"), None, -1, 0, 2**64, float("nan"), float("inf"), "12", b"\xff\x00", [], [0], object()]
    boards = [
        FakeBoard(
            power_w=draw.choice([0.0, 30.0, 700.0, 1e7, lambda t: 100.0 + 50.0 * (t % 1.0)]),
            name=draw.choice(["NVIDIA H100 PCIe", "NVIDIA GH200 480GB", "", "\x1b[31m", "Tesla K80"]),
            architecture=draw.choice(list(ARCHITECTURES)),
            has=frozenset(word for word in ("energy", "instant", "usage") if draw.random() < 0.7),
            started_j=draw.choice([0.0, 5.0, 1e12]),
            partitions=draw.choice([(), (), ("MIG-a", "MIG-b")]),
            module_w=draw.choice([None, None, 900.0]),
            lost=draw.random() < 0.1,
        )
        for _ in range(draw.randrange(5))
    ]
    rate = draw.choice([0.0, 0.01, 0.1, 0.5])
    script = lambda name, call: draw.choice(wrong) if draw.random() < rate else None  # noqa: E731
    return FakeNvml(boards, clock, init_error=draw.choice([0, 0, 0, 0, DRIVER_NOT_LOADED]), script=script)
