"""The graph as a torch module: tensors by name, one call after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import nn

from twentywatts.errors import DataError, RefusedError, TwentyWattsError, clean
from twentywatts.slimming.learning.trainable.elementwise import ELEMENTWISE, Operator
from twentywatts.slimming.learning.trainable.graph import Array, Call, Graph
from twentywatts.slimming.learning.trainable.layers import layer_of, owned
from twentywatts.slimming.learning.trainable.layout import LAYOUT
from twentywatts.slimming.learning.trainable.numbers import evaluated
from twentywatts.slimming.learning.trainable.sums import SUMS
from twentywatts.slimming.learning.trainable.windows import WINDOWS

__all__ = ["OPERATORS", "GraphModule"]

OPERATORS: Mapping[str, Operator] = ELEMENTWISE | LAYOUT | SUMS | WINDOWS
_ALL = tuple(range(8))
# inputs that are numbers to an operator, not data
_NUMBERS: Mapping[str, tuple[int, ...]] = {
    "ConstantOfShape": (0,),
    "CumSum": (1,),
    "Expand": (1,),
    "Gather": (1,),
    "OneHot": (1,),
    "Pad": (1, 2, 3),
    "Range": _ALL,
    "Reshape": (1,),
    "Resize": (1, 2, 3),
    "Slice": (1, 2, 3, 4),
    "Split": (1,),
    "Squeeze": (1,),
    "Tile": (1,),
    "TopK": (1,),
    "Trilu": (1,),
    "Unsqueeze": (1,),
    "Upsample": (1,),
} | {op: (1,) for op in SUMS if op.startswith("Reduce")}
Seen = Callable[[str, Any], Any]


class GraphModule(nn.Module):  # type: ignore[misc]
    """An ONNX graph that torch runs and trains.

    content: the model it was made of. slots: constant → (path of the tensor in this module, whether its axes are
    turned there). graph: what is run.
    """

    def __init__(self, content: bytes, graph: Graph) -> None:
        super().__init__()
        self.content, self.graph = content, graph
        self.slots: dict[str, tuple[str, bool]] = {}
        self.layers = nn.ModuleDict()
        self._layer_of: dict[str, str] = {}  # by the tensor that the layer makes
        self._weights: dict[str, str] = {}  # parameters of this module by the name that the graph has for them
        self._constants: dict[str, str] = {}  # its buffers likewise: constants, where they meet data
        _check(graph)
        self._make_layers()
        self._make_tensors()
        self._numbers: dict[str, Array] = {}
        self._steps = self._folded()
        self._last = _last_uses(self._steps, graph.outputs)
        self._make_buffers()
        self.eval()

    def _make_layers(self) -> None:
        own = owned(self.graph)
        for index, call in enumerate(self.graph.calls):
            layer = layer_of(call, self.graph.constants, own)
            if layer is not None:
                key = f"{index}_{_identifier(call.name)}"
                self.layers[key] = layer.module
                self._layer_of[call.outputs[0]] = key
                for name, (attribute, turned) in layer.slots.items():
                    self.slots[name] = (f"layers.{key}.{attribute}", turned)

    def _make_tensors(self) -> None:
        """Hold the weights that are used in several places, or by what is no module, as parameters."""
        for index, name in enumerate(sorted(self.graph.weights - set(self.slots))):
            attribute = f"weight_{index}_{_identifier(name)}"
            self.register_parameter(attribute, nn.Parameter(torch.from_numpy(self.graph.constants[name].copy())))
            self.slots[name] = (attribute, False)
            self._weights[name] = attribute

    def _folded(self) -> list[Call]:
        """Return the calls that hang on inputs or weights; what the others make is kept in ``_numbers``."""
        known = {name: array for name, array in self.graph.constants.items() if name not in self.slots}
        self._numbers, steps = known, []
        for call in self.graph.calls:
            needed = [name for name in call.inputs if name]
            if call.outputs[0] in self._layer_of or not needed or any(name not in known for name in needed):
                steps.append(call)
                continue
            with torch.no_grad():
                made = self._made(call, known)
            known.update((name, _array(value)) for name, value in zip(call.outputs, made, strict=False) if name)
        return steps

    def _make_buffers(self) -> None:
        """Hold the constants that meet data as tensors, so that they move with the module."""
        for call in self._steps:
            for index, name in enumerate(call.inputs):
                is_data = name in self._numbers and index not in _NUMBERS.get(call.op, ())
                if is_data and name not in self._constants and call.outputs[0] not in self._layer_of:
                    attribute = f"constant_{len(self._constants)}_{_identifier(name)}"
                    self.register_buffer(attribute, torch.from_numpy(np.array(self._numbers[name])))
                    self._constants[name] = attribute
        needed = {name for call in self._steps for name in call.inputs} | set(self.graph.outputs)
        self._numbers = {name: value for name, value in self._numbers.items() if name in needed}

    def forward(self, inputs: Mapping[str, Any], names: Iterable[str] = (), seen: Seen | None = None) -> dict[str, Any]:
        """Return the outputs by name, samples first, and the tensors called ``names`` beside them.

        inputs: tensors by name. seen: is given each tensor of floats and its name, and gives back what goes on in its
        place. Raises DataError for an input that is missing, RefusedError naming a layer that torch cannot run.
        """
        asked = dict.fromkeys((*self.graph.outputs, *names))
        values: dict[str, Any] = dict(self._numbers)
        values.update((name, getattr(self, attribute)) for name, attribute in self._weights.items())
        for spec in self.graph.inputs:
            if spec.name not in inputs:
                raise DataError(f"the model needs the input '{clean(spec.name)}'")
            values[spec.name] = inputs[spec.name] if seen is None else seen(spec.name, inputs[spec.name])
        for step, call in enumerate(self._steps):
            for name, value in zip(call.outputs, self._made(call, values), strict=False):
                if name:
                    is_seen = seen is not None and isinstance(value, torch.Tensor) and value.is_floating_point()
                    values[name] = seen(name, value) if is_seen and seen is not None else value
            for name in self._last[step]:
                if name not in asked:
                    values.pop(name, None)
        missing = [name for name in asked if name not in values]
        if missing:
            raise DataError(f"the model makes no tensor '{clean(missing[0])}'")
        return {name: _tensor(values[name]) for name in asked}

    def _made(self, call: Call, values: Mapping[str, Any]) -> Sequence[Any]:
        """Return what a call makes, one value for each output."""
        try:
            if call.outputs[0] in self._layer_of:
                return (self.layers[self._layer_of[call.outputs[0]]](_tensor(values[call.inputs[0]])),)
            given = [values[name] if name else None for name in call.inputs]
            if all(isinstance(value, np.ndarray) for value in given):
                found: Any = evaluated(call, given)  # type: ignore[arg-type]
                if found is not None:
                    return (found,)
            numbers = _NUMBERS.get(call.op, ())
            fitting = [v if index in numbers else self._data(call.inputs[index], v) for index, v in enumerate(given)]
            found = OPERATORS[call.op](call, fitting)
        except TwentyWattsError:
            raise
        except (RuntimeError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError) as error:
            reason = (str(error).strip().splitlines() or [""])[0]
            raise RefusedError(f"{call.label} does not run in torch: {clean(reason)[:200]}") from error
        return found if isinstance(found, tuple) else (found,)

    def _data(self, name: str, value: Any) -> Any:
        """Return a value as a tensor."""
        if value is None or isinstance(value, torch.Tensor):
            return value
        return getattr(self, self._constants[name]) if name in self._constants else _tensor(value)


def _check(graph: Graph) -> None:
    """Raise RefusedError for the first operator that is not known here."""
    for call in graph.calls:
        if call.op not in OPERATORS:
            raise RefusedError(f"{call.label} cannot be trained: torch has no operator for it here")


def _identifier(name: str) -> str:
    return "".join(letter if letter.isalnum() and letter.isascii() else "_" for letter in name)


def _tensor(value: Any) -> Any:
    if isinstance(value, torch.Tensor):
        return value
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise RefusedError("texts, and sizes that are left open, cannot be tensors of a model that is trained")
    return torch.as_tensor(array)


def _array(value: Any) -> Any:
    return value.detach().numpy() if isinstance(value, torch.Tensor) else value


def _last_uses(calls: Sequence[Call], outputs: Sequence[str]) -> list[list[str]]:
    """Return the tensors that nothing needs any more after each call."""
    last = {name: index for index, call in enumerate(calls) for name in (*call.outputs, *call.inputs) if name}
    found: list[list[str]] = [[] for _ in calls]
    for name, index in last.items():
        if name not in outputs:
            found[index].append(name)
    return found
