"""The plan of a run: every layer packed, with the kernel that fits it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import InputError
from twentywatts.forms.spiking.events import Layout
from twentywatts.forms.spiking.kernel_dense import DenseRows
from twentywatts.forms.spiking.kernel_general import DELAYED_ZERO
from twentywatts.forms.spiking.neurons import MOST_SPIKES, Parameters, float_parameters, whole_parameters
from twentywatts.forms.spiking.packing import Packed, dense_rows, pack
from twentywatts.network_spiking import Dense, Emission, OneToOne, Pool, Projection, SpikingLayer, SpikingNetwork

__all__ = ["LayerPlan", "Plan", "plan_of"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerPlan:
    """One layer, packed.

    rows: of a sole dense projection. is_simple: single spikes through one projection, which the fused kernels take;
    else the layer takes the general path. matrix_above: share of active inputs above which a dense layer is a matrix
    product, or None. delays: by projection, a number or one per lane. is_prompt: nothing is delayed, and all sources
    run before the layer. sends_payloads: events are other than 1;
    sends_several: and are numbers of spikes. shows_membrane: it sends nothing, its membrane is the result.
    """

    layer: SpikingLayer
    layout: Layout
    packed: tuple[Packed, ...]
    parameters: Parameters
    rows: DenseRows | None
    is_simple: bool
    matrix_above: float | None
    delays: tuple[Any, ...]
    is_prompt: bool
    sends_payloads: bool
    sends_several: bool
    shows_membrane: bool

    def matrix(self, kind: type) -> NDArray[Any]:
        """Return the weights of the sole dense projection, (lanes of the source, lanes)."""
        wiring = self.packed[0].wiring
        rows = wiring.weight.reshape(-1, wiring.sizes[3])
        lanes: NDArray[Any] = np.zeros((len(self.packed[0].fan_out), self.layout.lanes), kind)
        channels = wiring.sizes[0]
        position, channel = np.divmod(np.arange(len(lanes)), channels)
        lanes[:, : rows.shape[1]] = rows[wiring.row[channel] + position * wiring.sizes[4]]
        return lanes


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """Layers in an order in which they can run. number: np.float32 or np.int32. loops: whether a layer hears itself.

    delayed: whether a projection has a delay. widest: lanes of the widest layer or input.
    """

    network: SpikingNetwork
    layers: tuple[LayerPlan, ...]
    number: type
    loops: bool
    delayed: bool
    widest: int


def plan_of(network: SpikingNetwork, matrix_above: float | Mapping[str, float] | None) -> Plan:
    """Return the plan; raises InputError for weights of both kinds, or sums that do not fit."""
    kind = _kind(network)
    layouts = {name: Layout.of_input(tuple(shape)) for name, shape in network.inputs.items()}
    layouts |= {layer.name: Layout.of_layer(layer.neurons.shape) for layer in network.layers}
    order = list(network.in_order())
    plans: dict[str, LayerPlan] = {}
    place = {layer.name: number for number, layer in enumerate(order)}
    for layer in order:
        limit = _limit(matrix_above, layer.name)
        plans[layer.name] = _plan(network, layer, layouts=layouts, before=plans, kind=kind, matrix_above=limit)
    loops = any(place.get(p.source, -1) >= place[layer.name] for layer in order for p in layer.projections)
    number = np.int32 if kind is np.int8 else np.float32
    return Plan(
        network=network,
        layers=tuple(plans.values()),
        number=number,
        loops=loops,
        delayed=any(np.any(delays) for plan in plans.values() for delays in plan.delays),
        widest=max(layout.lanes for layout in layouts.values()),
    )


def _limit(matrix_above: float | Mapping[str, float] | None, name: str) -> float | None:
    return matrix_above.get(name) if isinstance(matrix_above, Mapping) else matrix_above


def _kind(network: SpikingNetwork) -> type:
    """Return np.int8 or np.float32: the weights of all layers."""
    found: dict[Any, str] = {}
    for layer in network.layers:
        for projection in layer.projections:
            if not isinstance(projection.synapses, Pool):
                found.setdefault(projection.synapses.weight.dtype.type, layer.name)
    if len(found) > 1:
        a, b = list(found.items())[:2]
        raise InputError(
            f"layer '{a[1]}' has {np.dtype(a[0]).name} weights and layer '{b[1]}' {np.dtype(b[0]).name}: use one kind "
            "for the whole network (twentywatts.forms.spiking.to_int8 makes integers of floats)"
        )
    return next(iter(found), np.float32)


def _plan(
    network: SpikingNetwork,
    layer: SpikingLayer,
    *,
    layouts: Mapping[str, Layout],
    before: Mapping[str, LayerPlan],
    kind: type,
    matrix_above: float | None,
) -> LayerPlan:
    layout = layouts[layer.name]
    packed = tuple(pack(_scaled(p, kind), layouts[p.source], layout, kind=kind) for p in layer.projections)
    if kind is np.int8:
        sources = [_payload_of(p, network, before) for p in layer.projections]
        parameters = whole_parameters(layer, layout, packed, sources)
    else:
        parameters = float_parameters(layer, layout)
    simple, emission = _is_simple(layer, parameters), layer.neurons.emission
    sole = _scaled(layer.projections[0], kind) if len(packed) == 1 else None
    rows = None
    if sole is not None and isinstance(sole.synapses, Dense) and layout.positions == 1:
        rows = dense_rows(sole.synapses, layouts[sole.source], layout)
    delays = tuple(_delays(p, layouts[p.source]) for p in layer.projections)
    return LayerPlan(
        layer=layer,
        layout=layout,
        packed=packed,
        parameters=parameters,
        rows=rows if simple or matrix_above is not None else None,
        is_simple=simple,
        matrix_above=matrix_above if rows is not None else None,
        delays=delays,
        is_prompt=not any(np.any(delay) for delay in delays),
        sends_payloads=layer.neurons.signed or emission in (Emission.MANY, Emission.GRADED),
        sends_several=emission is not Emission.GRADED,
        shows_membrane=emission is Emission.NONE,
    )


def _scaled(projection: Projection, kind: type) -> Projection:
    """Return a float projection with its scale in the weights."""
    if kind is np.int8 or projection.scale == 1.0:
        return projection
    from dataclasses import replace

    if isinstance(projection.synapses, Pool):
        raise InputError("a Pool of a float network takes no scale: scale the weights behind it")
    weight = np.asarray(projection.synapses.weight, np.float32) * np.float32(projection.scale)
    return replace(projection, synapses=replace(projection.synapses, weight=weight), scale=1.0)


def _payload_of(
    projection: Projection, network: SpikingNetwork, before: Mapping[str, LayerPlan]
) -> tuple[float, float]:
    """Return value and largest magnitude of the payloads that arrive; of a loop, what the layer itself may send."""
    source = before.get(projection.source)
    if source is not None:
        return source.parameters.value, source.parameters.payload
    if projection.source in network.inputs:
        return 1.0, 1.0
    neurons = {other.name: other.neurons for other in network.layers}[projection.source]
    if neurons.emission is Emission.GRADED:
        raise InputError(f"graded spikes of '{projection.source}' in a loop need float32 weights")
    return 1.0, float(neurons.most_spikes or MOST_SPIKES if neurons.emission is Emission.MANY else 1)


def _is_simple(layer: SpikingLayer, parameters: Parameters) -> bool:
    """Return whether single spikes through one projection are all there is."""
    neurons = layer.neurons
    return (
        len(layer.projections) == 1
        and neurons.emission is Emission.ONE
        and not neurons.signed
        and not parameters.odd.keeps_current
        and parameters.cells.kind != DELAYED_ZERO
        and all(factor == 1 for factor in parameters.factors)
        and not isinstance(layer.projections[0].synapses, OneToOne)
    )


def _delays(projection: Projection, source: Layout) -> Any:
    delays = np.asarray(projection.delay_steps)
    if delays.ndim == 0 or np.all(delays == delays.ravel()[0]):
        return int(delays.ravel()[0])
    return source.spread(delays.astype(np.int64))
