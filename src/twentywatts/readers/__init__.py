"""Readers: a model file becomes a Network."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from twentywatts import plugins
from twentywatts.errors import InputError, ModelError, clean

if TYPE_CHECKING:
    from twentywatts.network import Network

__all__ = ["read"]

_TORCH = frozenset(("pt", "pth"))
_MOST = 2**63  # what a file can hold as a size
_NO_AXES: Mapping[str, int] = {}


def read(path: str | Path, *, batch: int = 1, axes: Mapping[str, int] = _NO_AXES) -> Network:
    """Return the model in ``path`` as a Network.

    batch: size of the batch axis where the file leaves it open. axes: sizes of other open axes, by name.
    The reader is found by the ending of the file's name; ``onnx`` where no plug-in claims it.
    Raises ModelError with one line that says what is wrong with the file, InputError for a batch or axis below 1.
    """
    for name, size in (("the batch", batch), *((f"axis '{key}'", value) for key, value in axes.items())):
        if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size < _MOST:
            raise InputError(f"{name} must be a whole number of at least 1, got {size!r}")
    ending = Path(path).suffix.lstrip(".").lower()
    reader = plugins.find("readers", ending) if ending else None
    if reader is None and ending == "nir":
        raise ModelError(
            f"'{clean(path)}' is a spiking network: tw.read_nir reads it, SpikingEngine of twentywatts.forms.spiking "
            "runs it, workload_of_run there prices it; compare and count take the network before it was made spiking"
        )
    if reader is None and ending in _TORCH:
        raise ModelError(
            f"'{clean(path)}' is not opened: torch.load unpickles such a file, which can run code. If you trust it, "
            "load it yourself and give the object, as in tw.compare(torch.load('model.pt', weights_only=False), …); "
            "or write a .pt2 file (torch.export.save) or an ONNX file (torch.onnx.export(…, dynamo=True))"
        )
    if reader is None and ending == "pt2":
        raise ModelError(f"'{clean(path)}' is a program of torch.export: tw.compare and tw.count take such a file")
    reader = reader or plugins.find("readers", "onnx")
    network: Network = reader(Path(path), batch=batch, axes=axes)  # type: ignore[misc]  # onnx is built in
    return network
