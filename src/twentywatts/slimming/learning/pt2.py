"""A model as a ``.pt2`` file: a program of torch.export, without a pickle, checked against the ONNX model."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import RefusedError, clean
from twentywatts.forms.protocol import Inputs
from twentywatts.forms.runtime import check_inputs, open_session, run_session, sample_count
from twentywatts.readers.exported import clean_archive, load_program
from twentywatts.readers.torch_module import quiet

if TYPE_CHECKING:
    from twentywatts.slimming.learning.trainable.module import GraphModule

__all__ = ["exported"]

_TRACED, _UNSEEN = 2, 3  # samples of the trace, and of the check: a number that the trace has not seen
_WITHIN = 1e-3  # of the largest answer


def exported(content: bytes, *, inputs: Inputs) -> bytes:
    """Return an ONNX model as the content of a ``.pt2`` file: ``torch.export.load(path).module()(tensor, …)``.

    inputs: some samples by name, which the program is traced and checked with. It is read back and run on a number of
    samples that it has not seen, where the graph leaves that open, and must answer as onnxruntime does.
    Raises MissingExtraError without torch, RefusedError where torch cannot run or trace the model or answers
    differently, DataError for samples that do not fit.
    """
    from twentywatts.slimming.learning.trainable import trainable

    module = trainable(content)
    session = open_session(content, what="the model")
    samples = check_inputs(session, inputs)
    batch = _fixed_batch(module)
    with tempfile.TemporaryDirectory(prefix="twentywatts-") as folder:
        path = Path(folder) / "model.pt2"
        _save(_program(module, _taken(module, samples, batch or _TRACED), is_open=batch is None), path)
        archive = clean_archive(path).getvalue()
        path.write_bytes(archive)
        some = _taken(module, samples, batch or _UNSEEN)
        feeds = {name: some[name].astype(a.dtype) for name, a in samples.items()}
        wanted = run_session(session, feeds, [spec.name for spec in session.get_outputs()], what="pt2")
        _check(path, some, wanted)
    return archive


def _fixed_batch(module: GraphModule) -> int | None:
    """Return the number of samples that the graph declares, None where it leaves that open."""
    sizes = [spec.shape[0] for spec in module.graph.inputs if spec.shape]
    return max((size for size in sizes if size), default=None)


def _taken(module: GraphModule, samples: Inputs, count: int) -> dict[str, NDArray[Any]]:
    """Return ``count`` samples in the module's element types, the first ones again where there are fewer."""
    rows = np.arange(count) % sample_count(samples)
    return {spec.name: np.asarray(samples[spec.name])[rows].astype(spec.dtype) for spec in module.graph.inputs}


def _program(module: GraphModule, samples: Mapping[str, NDArray[Any]], *, is_open: bool) -> Any:
    """Return torch's program, with an open number of samples where ``is_open``."""
    import torch

    from twentywatts.slimming.learning.trainable.program import Named

    named = Named(module)
    arguments = tuple(torch.from_numpy(array) for array in samples.values())
    shapes = {name: {0: torch.export.Dim("batch")} for name in named.names} if is_open else None
    try:
        with quiet(), torch.no_grad():
            return torch.export.export(named, arguments, dynamic_shapes=shapes, strict=False)
    except Exception as error:  # torch raises its own kinds, and those of what it traces
        reason = clean((str(error).strip().splitlines() or [type(error).__name__])[0])[:200]
        raise RefusedError(f"the model cannot be traced by torch.export: {reason}") from None


def _save(program: Any, path: Path) -> None:
    import torch

    with quiet():
        torch.export.save(program, path)


def _check(path: Path, samples: Mapping[str, NDArray[Any]], wanted: Sequence[NDArray[Any]]) -> None:
    """Raise RefusedError unless the file, read back, answers as the model does."""
    import torch

    with quiet(), torch.no_grad():
        found = load_program(path).module()(*(torch.from_numpy(array) for array in samples.values()))
    for ours, theirs in zip(found, wanted, strict=True):
        size = 1.0 + float(np.abs(theirs).max(initial=0.0))
        if tuple(ours.shape) != theirs.shape or not np.allclose(ours.numpy(), theirs, atol=_WITHIN * size, rtol=0):
            raise RefusedError("the program of torch.export answers differently from the model: it is not written")
