"""Quantised graphs (QDQ): what stands between DequantizeLinear and QuantizeLinear runs on the stored integers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import prod

from twentywatts.network import Layer, Network, TensorSpec, Weight

__all__ = ["Quantization", "find_quantization"]

# operators that runtimes execute on integers when they stand between dequantise and quantise
_INTEGER_OPS = frozenset(
    "Conv ConvTranspose Gemm MatMul Add Mul Relu Clip LeakyRelu Sigmoid Softmax MaxPool AveragePool GlobalAveragePool "
    "Concat Split Slice Reshape Flatten Squeeze Unsqueeze Transpose Resize Pad Gather".split()
)
_ACTIVATIONS = frozenset("Relu Clip LeakyRelu HardSwish Sigmoid".split())
_FLOAT_RESULT = frozenset("Gemm MatMul".split())  # these run on integers even where the result stays float


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantization:
    """widths: bits of tensors that are held as integers. weights: integer constants behind a dequantised name.

    fused: names of dequantise and quantise layers that cost nothing of their own.
    """

    widths: Mapping[str, int] = field(default_factory=dict)
    weights: Mapping[str, Weight] = field(default_factory=dict)
    fused: frozenset[str] = frozenset()

    def bits(self, name: str, stored: int) -> int:
        """Return the width that a tensor has while the model runs [bits]."""
        return self.widths.get(name, stored)

    def stored_bytes(self, name: str, tensor: TensorSpec | Weight) -> int:
        """Return the bytes of a tensor of known shape while the model runs."""
        sizes = [size for size in tensor.shape or () if isinstance(size, int)]
        return (prod(sizes) * self.bits(name, tensor.bits) + 7) // 8


def find_quantization(network: Network) -> Quantization:
    """Return which tensors of a network are integers in truth; empty for a network without DequantizeLinear."""
    if not any(layer.op == "DequantizeLinear" for layer in network.layers):
        return Quantization()
    understood = tuple(x for x in network.layers if x.inputs and x.outputs and x.name not in network.unknown)
    network = replace(network, layers=understood)  # what is not understood may even lack its inputs
    graph = _Graph(network)
    widths: dict[str, int] = {}
    weights: dict[str, Weight] = {}
    fused: set[str] = set()
    for name, layer in graph.dequantised.items():
        source = network.weights.get(layer.inputs[0]) or network.tensors.get(layer.inputs[0])
        if source is None or not source.bits:
            continue
        if isinstance(source, Weight):
            weights[name] = source
        elif not graph.readers[name] or not all(graph.runs_on_integers(user) for user in graph.readers[name]):
            continue
        widths[name] = source.bits
        fused.add(layer.name)
    for layer in network.layers:
        spec = network.tensors.get(layer.outputs[0]) if layer.op == "QuantizeLinear" else None
        if spec is not None and spec.bits:
            for name in graph.integer_path(layer.inputs[0]):
                widths[name] = spec.bits
                fused.add(layer.name)
    return Quantization(widths=widths, weights=weights, fused=frozenset(fused))


class _Graph:
    """Who makes and who reads each tensor."""

    def __init__(self, network: Network) -> None:
        self.weights = network.weights
        self.readers: defaultdict[str, list[Layer]] = defaultdict(list)
        self.makers: dict[str, Layer] = {}
        for layer in network.layers:
            self.makers.update(dict.fromkeys(layer.outputs, layer))
            for name in layer.inputs:
                self.readers[name].append(layer)
        self.dequantised = {layer.outputs[0]: layer for layer in network.layers if layer.op == "DequantizeLinear"}

    def runs_on_integers(self, layer: Layer) -> bool:
        """Tell whether a runtime runs this layer on the integers behind its dequantised inputs."""
        if layer.op not in _INTEGER_OPS or layer.inputs[0] not in self.dequantised:
            return False
        active = [name for name in layer.inputs if name and name not in self.weights]
        if not all(name in self.dequantised for name in active):
            return False
        return layer.op in _FLOAT_RESULT or all(self._is_quantised_next(name) for name in layer.outputs)

    def _is_quantised_next(self, name: str, *, may_pass: bool = True) -> bool:
        """Tell whether a tensor goes to quantise layers alone, perhaps through one activation function."""
        users = self.readers[name]
        return bool(users) and all(
            user.op == "QuantizeLinear"
            or (may_pass and user.op in _ACTIVATIONS and self._is_quantised_next(user.outputs[0], may_pass=False))
            for user in users
        )

    def integer_path(self, name: str) -> list[str]:
        """Return the tensors between a layer that runs on integers and the quantise layer that reads ``name``."""
        maker = self.makers.get(name)
        if maker is None or not self._is_quantised_next(name):
            return []
        if self.runs_on_integers(maker):
            return [name]
        before = self.makers.get(maker.inputs[0]) if maker.op in _ACTIVATIONS and maker.inputs else None
        return [maker.inputs[0], name] if before is not None and self.runs_on_integers(before) else []
