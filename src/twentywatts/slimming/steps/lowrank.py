"""Low rank: a large matrix as the product of two thin ones, where that takes fewer multiplications."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import InputError, clean, nearest
from twentywatts.slimming.candidate import Candidate, Step
from twentywatts.slimming.cutting.settle import read_once, serialised, settle

__all__ = ["lowrank", "lowrank_to"]

_KINDS = frozenset({"Conv", "Gemm", "MatMul"})


def lowrank(candidate: Candidate, *, keep_frac: float = 0.9, round_to: int = 8) -> Candidate:
    """Return the candidate with each matrix replaced by two of the least rank that keeps enough of it.

    keep_frac: share of the sum of squared singular values to keep (0..1]. round_to: ranks are multiples of it. A layer
    for which two products would not be cheaper than one is left as it is. Raises InputError for a share out of range.
    """
    if not 0 < keep_frac <= 1 or not isinstance(round_to, int) or round_to < 1:
        raise InputError(f"low rank keeps a share above 0 up to 1 in multiples of 1 and more, not {clean(keep_frac)}")
    editor = _Editor(candidate)
    ranks = {}
    for name in editor.layers:
        matrix = editor.matrix(name)
        energy = np.cumsum(np.square(np.linalg.svd(matrix, compute_uv=False)))
        wanted = int(np.searchsorted(energy, keep_frac * energy[-1])) + 1
        rank = -(-wanted // round_to) * round_to
        if rank < _even_rank(matrix):
            ranks[name] = rank
    return editor.factored(ranks, {"keep_frac": keep_frac, "round_to": round_to})


def lowrank_to(candidate: Candidate, ranks: Mapping[str, int]) -> Candidate:
    """Return the candidate with the named layers at exactly these ranks; raises InputError for a wrong name or rank."""
    editor = _Editor(candidate)
    for name, rank in ranks.items():
        if name not in editor.layers:
            hint = nearest(name, editor.layers)
            raise InputError(f"the model has no Conv, Gemm or MatMul '{clean(name)}' that could be factored{hint}")
        most = min(editor.matrix(name).shape)
        if isinstance(rank, bool) or not isinstance(rank, int) or not 1 <= rank <= most:
            raise InputError(f"the rank of '{clean(name)}' is 1 to {most}, not {clean(rank)}")
    return editor.factored(ranks, {})


def _even_rank(matrix: NDArray[Any]) -> float:
    """Return the rank at which two thin matrices take as many multiplications as the whole one."""
    return matrix.size / sum(matrix.shape)


class _Editor:
    """The layers of a plain model that hold a matrix of their own, by name; each is inputs by outputs."""

    def __init__(self, candidate: Candidate) -> None:
        import onnx

        self._candidate = candidate
        settled = settle(candidate.content)
        self._model = onnx.ModelProto.FromString(settled.content)
        graph = self._model.graph
        self._tensors = {tensor.name: tensor for tensor in graph.initializer}
        once = read_once(graph)
        sound = settled.sound()
        self.layers = {
            node.name: node
            for node in graph.node
            if node.op_type in _KINDS and not node.domain and node.name in sound and node.input[1] in once
            if self._fits(node)
        }

    def _fits(self, node: Any) -> bool:
        from onnx import numpy_helper

        tensor = self._tensors.get(node.input[1])
        if tensor is None or tensor.data_type != 1 or not np.isfinite(numpy_helper.to_array(tensor)).all():
            return False  # not float32, or nothing that has a rank
        attributes = {item.name: item.i for item in node.attribute}
        if node.op_type == "Conv":
            return attributes.get("group", 1) == 1 and len(tensor.dims) > 2
        return len(tensor.dims) == 2 and not attributes.get("transA", 0)

    def matrix(self, name: str) -> NDArray[np.float32]:
        """Return a layer's weights, shape (inputs, outputs); a convolution has (channels and taps, outputs)."""
        from onnx import numpy_helper

        node = self.layers[name]
        value = np.asarray(numpy_helper.to_array(self._tensors[node.input[1]]), dtype=np.float32)
        if node.op_type == "Conv":
            return value.reshape(len(value), -1).T
        return value.T if _is_turned(node) else value

    def factored(self, ranks: Mapping[str, int], settings: Mapping[str, Any]) -> Candidate:
        """Return the candidate with these layers at these ranks."""
        before = {name: self.matrix(name).shape for name in ranks}
        for name, rank in ranks.items():
            self._factor(self.layers[name], self.matrix(name), rank)
        notes = [f"{name}: {m} by {n} at rank {ranks[name]}" for name, (m, n) in before.items()]
        step = Step(
            name="lowrank",
            settings={**settings, "ranks": json.dumps(dict(ranks), separators=(",", ":"))},
            notes=tuple(map(clean, notes)) or ("no matrix has a rank low enough to save multiplications",),
        )
        return self._candidate.then(step, serialised(self._model))

    def _factor(self, node: Any, matrix: NDArray[np.float32], rank: int) -> None:
        """Put a layer of ``rank`` outputs before a layer, which then reads those."""
        from onnx import helper

        left, values, right = np.linalg.svd(matrix.astype(np.float64), full_matrices=False)
        root = np.sqrt(values[:rank])
        thin, wide = left[:, :rank] * root, right[:rank] * root[:, None]
        weight = node.input[1]
        names = self._free(f"{weight}/in"), self._free(f"{weight}/out"), self._free(f"{node.output[0]}/rank")
        before = helper.make_node("MatMul", [node.input[0], names[0]], [names[2]], name=f"{node.name}/rank")
        if node.op_type == "Conv":
            dims = list(self._tensors[weight].dims)
            before.op_type = "Conv"
            before.attribute.extend(node.attribute)
            thin, wide = thin.T.reshape(rank, *dims[1:]), wide.T.reshape(dims[0], rank, *[1] * (len(dims) - 2))
            del node.attribute[:]
        elif _is_turned(node):
            wide = wide.T
        self._add(names[0], thin)
        self._add(names[1], wide)
        node.input[0], node.input[1] = names[2], names[1]
        graph = self._model.graph
        graph.node.insert(list(graph.node).index(node), before)
        graph.initializer.remove(self._tensors.pop(weight))

    def _free(self, name: str) -> str:
        taken = {made for node in self._model.graph.node for made in node.output}
        while name in taken or name in self._tensors:
            name += "'"
        return name

    def _add(self, name: str, value: NDArray[np.float64]) -> None:
        from onnx import numpy_helper

        tensor = numpy_helper.from_array(np.ascontiguousarray(value, dtype=np.float32), name)
        self._model.graph.initializer.append(tensor)
        self._tensors[name] = self._model.graph.initializer[-1]


def _is_turned(node: Any) -> bool:
    return any(item.name == "transB" and item.i for item in node.attribute)
