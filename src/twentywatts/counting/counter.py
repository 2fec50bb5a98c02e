"""count: the work of a model's layers by the rules of each operator."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from twentywatts.counting.quantized import Quantization, find_quantization
from twentywatts.counting.result import Counts, LayerCount, UnknownLayer, WeightUse
from twentywatts.counting.rules import RULES, Rule
from twentywatts.counting.view import LayerView, UnknownWorkError, Work
from twentywatts.network import Layer, Network, Weight
from twentywatts.readers import read
from twentywatts.readers.given_names import shown_name
from twentywatts.readers.torch_module import TorchModel, model_file

__all__ = ["count"]

_NO_AXES: Mapping[str, int] = {}


def count(
    model: str | Path | Network | TorchModel,
    *,
    batch: int | None = None,
    axes: Mapping[str, int] = _NO_AXES,
    example: object = None,
) -> Counts:
    """Return the work of one batch of a model: a file, a Network that was read, or a live torch module.

    batch: inferences; 1 if not given, or what a given Network holds. axes: sizes of the model's other open axes.
    example: inputs that a torch module can be called with (an array, several, or arrays by name), samples first.
    Raises ModelError for a file that cannot be used, or a module that cannot be traced.
    """
    if isinstance(model, Network):
        return _counted(model, model.batch if batch is None else batch)
    wanted = 1 if batch is None else batch
    with model_file(model, example=example) as path:
        return _counted(read(path, batch=wanted, axes=axes), wanted)


def _counted(network: Network, wanted: int) -> Counts:
    runs = max(-(-wanted // network.batch), 1)
    notes = network.notes
    if runs * network.batch != wanted:
        notes = (*notes, f"the model runs {network.batch} at a time: counts are of {runs * network.batch} inferences")
    elif runs > 1:
        notes = (*notes, f"counts are of {runs} runs")
    layers, unknown = _layers(network)
    return Counts(
        model=shown_name(network.path) or network.name,
        batch=runs * network.batch,
        runs=runs,
        layers=tuple(_times(layer, runs) for layer in layers),
        unknown=tuple(unknown),
        notes=notes,
    )


def _layers(network: Network) -> tuple[list[LayerCount], list[UnknownLayer]]:
    quantization = find_quantization(network)
    counted, unknown = [], []
    for layer in network.layers:
        try:
            counted.append(_count_layer(layer, network, quantization))
        except UnknownWorkError as reason:
            op = f"{layer.domain}.{layer.op}" if layer.domain else layer.op
            uses = tuple(_uses(layer, network, quantization, Work()))
            unknown.append(UnknownLayer(name=layer.name, op=op, reason=str(reason), weights=uses))
    return counted, unknown


def _count_layer(layer: Layer, network: Network, quantization: Quantization) -> LayerCount:
    if layer.name in network.unknown:
        raise UnknownWorkError(network.unknown[layer.name])
    rule = RULES.get((layer.domain, layer.op))
    if rule is None:
        raise UnknownWorkError("no counting rule for this operator")
    view = LayerView(layer, network)
    work = Work(is_view=True) if layer.name in quantization.fused else _worked(rule, view)
    active = tuple(name for name in layer.inputs if name and name not in network.weights)
    if work.is_view:
        return LayerCount(name=layer.name, op=layer.op, inputs=active, outputs=layer.outputs)
    return LayerCount(
        name=layer.name,
        op=layer.op,
        inputs=active,
        outputs=layer.outputs,
        mac_count=work.mac_count,
        op_count=work.op_count,
        mac_bits=_mac_bits(layer, work, view, quantization),
        input_bytes=_input_bytes(view, work, quantization),
        output_bytes=sum(
            quantization.stored_bytes(name, view.output(index)) for index, name in enumerate(layer.outputs) if name
        ),
        weights=tuple(_uses(layer, network, quantization, work)),
    )


def _worked(rule: Rule, view: LayerView) -> Work:
    """Return what a rule counts; a layer that is not built as its operator wants it is unknown."""
    try:
        work = rule(view)
    except (IndexError, KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise UnknownWorkError(f"its inputs or attributes are not those of the operator ({error})") from None
    if work.mac_count < 0 or work.op_count < 0 or any(elements < 0 for elements in work.row_reads.values()):
        raise UnknownWorkError("its attributes give a negative count")
    return work


def _mac_bits(layer: Layer, work: Work, view: LayerView, quantization: Quantization) -> int:
    """Return the width of the wider of the first two operands."""
    if not work.mac_count:
        return 0
    if work.mac_bits:
        return work.mac_bits
    return max(quantization.bits(layer.inputs[index], view.tensor(index).bits) for index in (0, 1) if view.has(index))


def _input_bytes(view: LayerView, work: Work, quantization: Quantization) -> int:
    total = 0
    for index, name in enumerate(view.layer.inputs):
        if not name or view.weight(index) is not None or name in quantization.weights:
            continue
        tensor = view.tensor(index)
        bits = quantization.bits(name, tensor.bits)
        elements = work.row_reads.get(index, view.size(index))
        total += (elements * bits + 7) // 8
    return total


def _uses(layer: Layer, network: Network, quantization: Quantization, work: Work) -> list[WeightUse]:
    """Return the constants that a layer uses, each once."""
    uses: dict[str, WeightUse] = {}
    for index, name in enumerate(layer.inputs):
        weight: Weight | None = network.weights.get(name) or quantization.weights.get(name)
        if weight is None or index in work.skipped:
            continue
        elements = min(work.row_reads.get(index, weight.element_count), weight.element_count)
        read_bytes = (elements * weight.bits + 7) // 8
        uses[weight.name] = WeightUse(name=weight.name, element_count=weight.element_count, read_bytes=read_bytes)
    return list(uses.values())


def _times(layer: LayerCount, runs: int) -> LayerCount:
    if runs == 1:
        return layer
    return replace(
        layer,
        mac_count=layer.mac_count * runs,
        op_count=layer.op_count * runs,
        input_bytes=layer.input_bytes * runs,
        output_bytes=layer.output_bytes * runs,
    )
