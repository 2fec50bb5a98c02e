"""Samples: reading the .npz of inputs and targets that a model serves, without ever unpickling."""

from __future__ import annotations

import zipfile
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import DataError
from twentywatts.network import Network
from twentywatts.readers.given_names import shown_name

__all__ = ["Samples", "first_samples", "read_samples"]

_MAX_BYTES = 4 * 2**30
_MAX_MEMBERS = 256
_LARGEST_TARGET = 1e37  # models answer in 32-bit floats


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """Inputs by name (samples first) and targets: class indices of shape (samples,), or values for a regression."""

    name: str
    inputs: Mapping[str, NDArray[Any]]
    targets: NDArray[Any]

    @property
    def count(self) -> int:
        """Number of samples."""
        return len(self.targets)

    def take(self, index: NDArray[np.intp]) -> Samples:
        """Return the samples at ``index``, in its order."""
        return Samples(
            name=self.name,
            inputs={name: array[index] for name, array in self.inputs.items()},
            targets=self.targets[index],
        )


def read_samples(path: str | Path, network: Network) -> Samples:
    """Return the samples of an .npz file for the inputs of ``network``; raises DataError with one clear sentence.

    The file holds ``y`` (class indices or values) and ``x`` (samples first), or one array per input of the model
    under that input's name. Arrays must be numeric and finite; pickled arrays are refused, never loaded.
    """
    path = Path(path)
    arrays = _load(path, {"x", "y", *(spec.name for spec in network.inputs)})
    if "y" not in arrays:
        raise DataError(f"'{path}' has no array 'y' (class indices or targets); it has {_listed(arrays)}")
    inputs = _inputs(path, arrays, network)
    targets = _targets(path, arrays["y"])
    counts = {len(array) for array in inputs.values()} | {len(targets)}
    if len(counts) > 1:
        sizes = ", ".join(f"{name}: {len(a)}" for name, a in [*inputs.items(), ("y", targets)])
        raise DataError(f"'{path}' holds different numbers of samples ({sizes})")
    if counts == {0}:
        raise DataError(f"'{path}' holds no samples")
    return Samples(name=shown_name(path), inputs=inputs, targets=targets)


def first_samples(path: str | Path, names: Container[str], *, count: int) -> dict[str, NDArray[Any]]:
    """Return the first ``count`` samples of the named arrays of an .npz file; raises DataError as ``read_samples``."""
    arrays = _load(Path(path), names)
    found = {name: array[:count] for name, array in arrays.items() if name in names and array.ndim}
    for name, array in found.items():
        if array.dtype.kind not in "fiub":
            raise DataError(f"'{path}': '{name}' has dtype {array.dtype}, wanted numbers")
    return found


def _listed(arrays: Mapping[str, object]) -> str:
    return ", ".join(sorted(arrays)[:20]) or "no array at all"


def _load(path: Path, wanted: Container[str]) -> dict[str, NDArray[Any]]:
    """Return the arrays by name; those that are not wanted are named, but neither read nor unpacked."""
    if path.is_dir():
        raise DataError(f"'{path}' is a folder, wanted an .npz file with 'x' and 'y' (np.savez makes one)")
    if not path.is_file():
        raise DataError(f"cannot read data file '{path}': no such file")
    try:
        _check_size(path)
        with np.load(path, allow_pickle=False, max_header_size=10_000) as archive:
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise DataError(f"'{path}' is a single array; wanted an .npz with 'x' and 'y'")
            return {name: archive[name] if name in wanted else np.empty(0) for name in archive.files}
    except DataError:
        raise
    except MemoryError as error:
        raise DataError(f"'{path}' declares arrays that do not fit in memory") from error
    except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        text = str(error)
        if "pickle" in text.lower() or "object array" in text.lower():
            raise DataError(
                f"'{path}' holds pickled Python objects, which are never loaded; save plain arrays"
            ) from error
        raise DataError(f"'{path}' is not a readable .npz file (made with numpy.savez)") from error
    except Exception as error:  # zlib.error, SyntaxError, TypeError …: the header of an .npy is text that NumPy parses
        raise DataError(f"'{path}' is not a readable .npz file ({type(error).__name__})") from error


def _check_size(path: Path) -> None:
    """Bound what a small archive may unpack to, and check each array's header against its bytes, before loading."""
    if not zipfile.is_zipfile(path):
        raise DataError(f"'{path}' is not an .npz file (made with numpy.savez)")
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if len(members) > _MAX_MEMBERS:
            raise DataError(f"'{path}' holds {len(members)} members, at most {_MAX_MEMBERS} are read")
        if sum(member.file_size for member in members) > _MAX_BYTES:
            raise DataError(f"'{path}' unpacks to more than {_MAX_BYTES:,} bytes")
        names = [member.filename for member in members]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise DataError(f"'{path}' holds '{twice}' twice: which of them is meant cannot be told")
        for member in members:
            _check_header(path, archive, member)


def _check_header(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> None:
    with archive.open(member) as stream:
        version = np.lib.format.read_magic(stream)
        reader = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
        if reader is None:
            raise DataError(f"'{path}': array '{member.filename}' has an unknown .npy version {version}")
        shape, _, dtype = reader(stream, max_header_size=10_000)
        name = member.filename.removesuffix(".npy")
        if dtype.hasobject:
            raise DataError(f"'{path}': array '{name}' holds pickled Python objects, which are never loaded")
        size = int(np.prod([int(n) for n in shape], dtype=object)) * dtype.itemsize
        if size < 0 or size > member.file_size:
            raise DataError(f"'{path}': array '{name}' declares {size:,} bytes but holds {member.file_size:,}")


def _inputs(path: Path, arrays: Mapping[str, NDArray[Any]], network: Network) -> dict[str, NDArray[Any]]:
    names = [spec.name for spec in network.inputs]
    shown: dict[str, str] = {}  # what the file calls an input, where that is not the model's name
    if len(names) == 1 and names[0] not in arrays:
        if "x" not in arrays:
            raise DataError(f"'{path}' has no array 'x' (samples first); it has {_listed(arrays)}")
        arrays, shown = {names[0]: arrays["x"]}, {names[0]: "x"}
    missing = [name for name in names if name not in arrays]
    if missing:
        raise DataError(
            f"'{path}' lacks the model's inputs {', '.join(missing)}; save one array per input name, it has "
            f"{_listed(arrays)}"
        )
    return {
        spec.name: _input(path, shown.get(spec.name, spec.name), arrays[spec.name], spec.shape, spec.dtype)
        for spec in network.inputs
    }


def _input(
    path: Path, name: str, array: NDArray[Any], shape: tuple[int | str | None, ...] | None, dtype: str
) -> NDArray[Any]:
    if array.dtype.kind not in "fiub":
        raise DataError(f"'{path}': '{name}' has dtype {array.dtype}, wanted numbers")
    if array.ndim == 0:
        raise DataError(f"'{path}': '{name}' is a single number; wanted an array with samples first")
    if not np.isfinite(array).all():
        raise DataError(f"'{path}': '{name}' holds NaN or infinite values")
    if shape is not None and len(array) and not _fits(array.shape, shape):
        wanted = " × ".join("any" if not isinstance(size, int) else str(size) for size in shape[1:])
        given = " × ".join(str(size) for size in array.shape[1:]) or "a number each"
        raise DataError(f"'{path}': '{name}' has samples of {given}, the model takes {wanted or 'single numbers'}")
    try:
        wanted_type = np.dtype(dtype)
    except TypeError as error:
        raise DataError(f"the model's input '{name}' has type {dtype}, which NumPy cannot hold") from error
    return _cast(path, name, array, wanted_type)


def _cast(path: Path, name: str, array: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return the values in the type that the model takes; raises DataError where that type cannot hold them."""
    with np.errstate(over="ignore", invalid="ignore"):
        cast = array.astype(dtype, copy=False)
        kept = np.isfinite(cast).all() if dtype.kind == "f" else np.array_equal(cast, array)
    if not kept:
        raise DataError(f"'{path}': '{name}' holds values that the model's type {dtype} cannot hold")
    return cast


def _fits(given: tuple[int, ...], wanted: tuple[int | str | None, ...]) -> bool:
    pairs = zip(given[1:], wanted[1:], strict=False)
    return len(given) == len(wanted) and all(not isinstance(w, int) or g == w for g, w in pairs)


def _targets(path: Path, targets: NDArray[Any]) -> NDArray[Any]:
    if targets.dtype.kind not in "fiub":
        raise DataError(f"'{path}': 'y' has dtype {targets.dtype}, wanted class indices or numbers")
    if targets.ndim == 0:
        raise DataError(f"'{path}': 'y' is a single number; wanted one target per sample")
    if not np.isfinite(targets).all():
        raise DataError(f"'{path}': 'y' holds NaN or infinite values")
    if np.abs(targets.astype(np.float64)).max(initial=0.0) > _LARGEST_TARGET:
        raise DataError(f"'{path}': 'y' holds values beyond ±{_LARGEST_TARGET:g}, which no output of a model reaches")
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    return targets.astype(np.int64) if targets.dtype.kind in "iub" else targets
