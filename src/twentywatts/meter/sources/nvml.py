"""NVIDIA boards by NVML: the energy counter where there is one (Volta and newer), else power, sampled.

In order: nvmlDeviceGetTotalEnergyConsumption (mJ since the driver was loaded), the field NVML_FI_DEV_POWER_INSTANT,
nvmlDeviceGetPowerUsage (an average over 1 s on Ampere and newer, except GA100). "Not supported" is never 0 J. A
partition (MIG) has no counter of its own: its board's stands for it, and says so. A Grace module holds its board.

Only the boards that CUDA_VISIBLE_DEVICES shows are counted. The library nvidia-ml-py is optional and is loaded only
where there is a driver. Source: nvml-api; sensors: data/meter_errors.toml.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module

from twentywatts.meter.contract import Finding, Reader, ReadError, Source
from twentywatts.meter.place import ROOT
from twentywatts.meter.sources.files import FoundSource, Tree, read_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from twentywatts.meter.place import Root

__all__ = ["find", "processes"]

NAME = "nvml"
INSTALL = ("pip install 'twentywatts[meters]'",)
_DRIVER = (("dev", "nvidiactl"), ("proc", "driver", "nvidia", "version"), ("dev", "dxg"))


def find(
    *,
    root: Root = ROOT,
    reader: Reader = read_text,
    nvml: Any = None,
    environ: Mapping[str, str] | None = None,
) -> Source:
    """Return the boards of this machine. nvml: takes the place of the module pynvml; environ: of the environment."""
    if nvml is None:
        nvml = _module(Tree(root, reader))
        if isinstance(nvml, Finding):
            return FoundSource(name=NAME, said=(nvml,))
    # what follows is needed only where there is a driver: a machine without one pays for none of it
    from twentywatts.meter.sources.nvml_api import Library
    from twentywatts.meter.sources.nvml_machine import found

    library = Library(nvml)
    try:
        library.hold()
    except ReadError as error:
        return FoundSource(name=NAME, said=(_nothing(f"NVML cannot be opened: {error}"),))
    try:
        source = found(library, os.environ if environ is None else environ)
    finally:
        library.release()
    return source if source.said else FoundSource(name=NAME, said=(_nothing("there is no NVIDIA board"),))


def _nothing(reason: str, fix: tuple[str, ...] = (), *, found: bool = False) -> Finding:
    return Finding(source=NAME, what="NVIDIA boards", found=found, readable=False, reason=reason, fix=fix)


def _module(tree: Tree) -> Any:
    """Return the module pynvml, or the Finding that says why it is not used (nothing is loaded without a driver)."""
    if tree.root != ROOT:
        return _nothing("NVML reads the machine itself, not a folder")
    if sys.platform == "darwin":
        return _nothing("there is no NVIDIA driver for macOS")
    if sys.platform == "linux" and not any(os.path.exists(tree.at(*parts)) for parts in _DRIVER):
        bare = _pci_boards(tree)
        return _nothing("there is an NVIDIA board but no driver", found=True) if bare else _nothing("no NVIDIA driver")
    try:
        return import_module("pynvml")
    except Exception as error:  # not installed, or broken
        return _nothing(f"nvidia-ml-py cannot be loaded ({type(error).__name__})", INSTALL, found=True)


def _pci_boards(tree: Tree) -> bool:
    """Return whether the bus has a display or 3D controller of NVIDIA."""
    folder = tree.at("sys", "bus", "pci", "devices")
    return any(
        tree.text_or(folder / name / "class").startswith("0x03") and tree.text_or(folder / name / "vendor") == "0x10de"
        for name in tree.names(folder)
    )


def processes(key: str, *, nvml: Any = None, since_us: int = 0) -> dict[int, float]:
    """Return, for the board of a channel, how much of its time each process used, 0 to 1 (pids as the host sees them).

    since_us: count samples after this moment [µs since 1970]. No entry: the process did not use it. Raises ReadError
    where the board does not tell (partitions, virtual boards).
    """
    if nvml is None:
        nvml = _module(Tree(ROOT))
        if isinstance(nvml, Finding):
            raise ReadError(nvml.reason)
    from twentywatts.meter.sources.nvml_api import Library, NotSupportedError

    library = Library(nvml)
    library.hold()
    try:
        uuid = key.removeprefix(f"{NAME}:").partition(":")[0]
        handle = library.call("nvmlDeviceGetHandleByUUID", uuid)
        try:
            samples = library.call("nvmlDeviceGetProcessUtilization", handle, since_us)
        except NotSupportedError:
            raise
        except ReadError as error:
            if getattr(error.__cause__, "value", None) == getattr(nvml, "NVML_ERROR_NOT_FOUND", 6):
                return {}  # no process has used the board since then
            raise
    finally:
        library.release()
    try:
        return _shares(samples)
    except (TypeError, AttributeError, ValueError) as error:
        raise ReadError(f"NVML gave samples that cannot be read: {error}") from error


def _shares(samples: Sequence[Any]) -> dict[int, float]:
    """Return the mean busy share of each process over its samples, 0 to 1."""
    busy: dict[int, list[float]] = {}
    for sample in samples:
        busy.setdefault(sample.pid, []).append(min(max(sample.smUtil / 100, 0.0), 1.0))
    return {pid: sum(values) / len(values) for pid, values in busy.items()}
