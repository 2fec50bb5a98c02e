"""NeuroBench's metrics against counts by loops; against NeuroBench itself: docs/benchmarks/spike_parity.md."""

from __future__ import annotations

import numpy as np
import pytest
from tests.support.spiking_reference import membranes_and_events

from twentywatts.errors import InputError
from twentywatts.forms.spiking.network_engine import SpikingEngine
from twentywatts.forms.spiking.neurobench import neurobench
from twentywatts.network_spiking import (
    Conv,
    Dense,
    Emission,
    Neurons,
    Pool,
    Projection,
    SpikingLayer,
    SpikingNetwork,
    relay,
)

RNG = np.random.default_rng(9)


def sparse(*shape: int) -> np.ndarray:
    return (RNG.normal(0, 1, shape) * (RNG.random(shape) > 0.25)).astype(np.float32)


def network() -> SpikingNetwork:
    conv = Projection(source="x", synapses=Conv(weight=sparse(3, 2, 3, 3), stride=2, padding=1))
    pool = Projection(source="a", synapses=Pool(kernel=(2, 2), stride=2, mean=True))
    return SpikingNetwork(
        inputs={"x": (2, 7, 7)},
        layers=(
            SpikingLayer(
                name="a", neurons=Neurons(shape=(3, 4, 4), decay=0.9), projections=(conv,), bias=np.zeros((3, 1, 1))
            ),
            SpikingLayer(name="p", neurons=relay((3, 2, 2)), projections=(pool,)),
            SpikingLayer(
                name="b",
                neurons=Neurons(shape=(4,), threshold=0.5),
                projections=(
                    Projection(source="p", synapses=Dense(weight=sparse(4, 12))),
                    Projection(source="b", synapses=Dense(weight=sparse(4, 4)), delay_steps=1),
                ),
            ),
        ),
    )


@pytest.mark.parametrize("kind", ["binary", "analog", "mixed"])
def test_metrics_are_those_of_plain_counts(kind: str) -> None:
    net = network()
    values = RNG.random((2, 6, 2, 7, 7)).astype(np.float32)
    inputs = values if kind == "analog" else (values < 0.3).astype(np.float32)
    if kind == "mixed":
        inputs[:, 3] = values[:, 3]
    run = SpikingEngine(net).run(inputs)
    found = neurobench(net, run, inputs)
    conv = net.layers[0].projections[0].synapses
    dense = [p.synapses.weight for p in net.layers[2].projections]
    weights = [conv.weight, *dense]
    effective, whole, spikes = {"conv": np.zeros(6), "dense": 0.0}, 0.0, 0
    for sample in inputs:
        _, events = membranes_and_events(net, {"x": sample})
        padded = np.pad(sample != 0, ((0, 0), (0, 0), (1, 1), (1, 1)))
        inside = np.pad(np.ones((2, 7, 7)), ((0, 0), (1, 1), (1, 1)))
        for i in range(0, 7, 2):
            for j in range(0, 7, 2):
                window = (slice(None), slice(i, i + 3), slice(j, j + 3))
                effective["conv"] += [((conv.weight != 0) * step[window]).sum() for step in padded]
                whole += 6 * 3 * inside[window].sum()
        effective["dense"] += sum(((dense[0] != 0) * (step.ravel() != 0)).sum() for step in events["p"])
        effective["dense"] += sum(((dense[1] != 0) * step).sum() for step in events["b"][:-1])
        whole += 6 * (48 + 16)
        spikes += int(events["a"].sum() + events["b"].sum())
    analog = {"binary": np.zeros(6, bool), "analog": np.ones(6, bool), "mixed": np.arange(6) == 3}[kind]
    assert found.effective_ac_count == pytest.approx(effective["conv"][~analog].sum() / 2)
    # a layer that hears a pooled layer multiplies, whatever else it hears
    assert found.effective_mac_count == pytest.approx((effective["conv"][analog].sum() + effective["dense"]) / 2)
    assert found.dense_count == pytest.approx(whole / 2)
    assert found.activation_sparsity == pytest.approx(1 - spikes / ((48 + 4) * 6 * 2))
    zeros, size = sum(int((w == 0).sum()) for w in weights), sum(w.size for w in weights)
    assert found.connection_sparsity == round(zeros / size, 4)
    assert found.footprint_bytes == 4 * size + 4 * 3
    names = {"Footprint", "ConnectionSparsity", "ActivationSparsity", "SynapticOperations"}
    assert set(found.as_results()) == names
    assert neurobench(net, run, inputs, buffer_bytes=100).footprint_bytes == found.footprint_bytes + 100


def test_activity_of_neurons_that_send_several_spikes_is_told_where_it_was_seen() -> None:
    several = Neurons(shape=(6,), threshold=0.2, emission=Emission.MANY)
    first = SpikingLayer(
        name="m", neurons=several, projections=(Projection(source="x", synapses=Dense(weight=sparse(6, 5))),)
    )
    last = SpikingLayer(
        name="o",
        neurons=Neurons(shape=(3,)),
        projections=(Projection(source="m", synapses=Dense(weight=sparse(3, 6))),),
    )
    net = SpikingNetwork(inputs={"x": (5,)}, layers=(first, last))
    inputs = RNG.random((2, 8, 5)) < 0.4
    unseen, seen = SpikingEngine(net).run(inputs), SpikingEngine(net).run(inputs, record=["m"])
    assert seen.outputs["m"].max() > 1
    assert neurobench(net, unseen, inputs).activation_sparsity is None
    silent = int((seen.outputs["m"] == 0).sum() + (seen.outputs["o"] == 0).sum())
    assert neurobench(net, seen, inputs).activation_sparsity == pytest.approx(silent / (2 * 8 * 9))


def test_inputs_of_another_run_are_refused() -> None:
    net, inputs = network(), np.zeros((1, 4, 2, 7, 7), dtype=np.float32)
    run = SpikingEngine(net).run(inputs)
    with pytest.raises(InputError, match="inputs of the run are wanted"):
        neurobench(net, run, inputs[:, :2])
