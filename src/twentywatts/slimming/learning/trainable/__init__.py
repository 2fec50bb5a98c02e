"""A graph as a torch module: it runs as onnxruntime runs it, learns, and is written back into the same ONNX file.

    module = trainable(content)         # needs torch
    outputs = module({"x": tensor})     # tensors by output name
    content = written(module)

Every constant that a layer multiplies with, adds or looks up is a parameter; a convolution, dense layer or
normalisation that owns its weights is a torch module of that kind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twentywatts.errors import MissingExtraError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from twentywatts.slimming.learning.trainable.module import GraphModule

__all__ = ["trainable", "weights_of", "written"]


def trainable(content: bytes) -> GraphModule:
    """Return a torch module, in evaluation mode, that computes what the ONNX model ``content`` computes.

    Its ``forward`` takes tensors by input name and returns tensors by output name. Half precision runs, and learns,
    in 32 bits. Raises MissingExtraError without torch, RefusedError naming the layer and its operator where torch
    cannot run it, ModelError for bytes that are no ONNX model.
    """
    try:
        import torch  # noqa: F401
    except ImportError:
        raise MissingExtraError("torch", "torch") from None
    from twentywatts.slimming.learning.trainable.graph import graph_of
    from twentywatts.slimming.learning.trainable.module import GraphModule
    from twentywatts.slimming.learning.trainable.untie import untied

    parted = untied(content)
    return GraphModule(parted, graph_of(parted))


def weights_of(module: GraphModule) -> dict[str, NDArray[Any]]:
    """Return what the module has learned by name of the ONNX constant, in the file's own layout."""
    from twentywatts.slimming.learning.trainable.writing import weights_of as found

    return found(module)


def written(module: GraphModule) -> bytes:
    """Return the ONNX model that ``module`` was made of with the module's weights in it; all else stays as it was."""
    from twentywatts.slimming.learning.trainable.writing import written as write

    return write(module)
