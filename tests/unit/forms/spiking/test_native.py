"""The work of a spiking network that nobody converted, and its price."""

from __future__ import annotations

import numpy as np
import pytest

from twentywatts.errors import InputError
from twentywatts.forms.spiking import SpikingEngine, to_int8, workload_of_run
from twentywatts.machines import load
from twentywatts.network_spiking import (
    Conv,
    Dense,
    Emission,
    Neurons,
    OneToOne,
    Pool,
    Projection,
    SpikingLayer,
    SpikingNetwork,
    relay,
)
from twentywatts.price import price
from twentywatts.scenario import Scenario

RNG = np.random.default_rng(17)
FIRST, LOOP, LAST = (RNG.normal(0.2, 0.5, shape).astype(np.float32) for shape in ((8, 6), (8, 8), (3, 8)))
FIRST[0, 1] = 0.0
INPUTS = RNG.random((4, 12, 6)) < 0.4


def layer(name: str, neurons: Neurons, *projections: Projection) -> SpikingLayer:
    return SpikingLayer(name=name, neurons=neurons, projections=projections)


def recurrent(*, by_map: bool) -> SpikingNetwork:
    """Return a loop of one step: a projection of its own, or a map of relays that hands its sums on, as NIR has it."""
    feed = Projection(source="x", synapses=Dense(weight=FIRST))
    if by_map:
        back = Projection(source="map", synapses=OneToOne(weight=np.ones(8, np.float32)), delay_steps=1)
        maps = (layer("map", relay((8,)), Projection(source="a", synapses=Dense(weight=LOOP))),)
    else:
        back, maps = Projection(source="a", synapses=Dense(weight=LOOP), delay_steps=1), ()
    neurons = layer("a", Neurons(shape=(8,), decay=0.8), feed, back)
    last = layer("o", Neurons(shape=(3,)), Projection(source="a", synapses=Dense(weight=LAST)))
    return SpikingNetwork(inputs={"x": (6,)}, layers=(neurons, *maps, last))


def test_the_counts_are_those_of_the_run() -> None:
    engine = SpikingEngine(recurrent(by_map=False))
    run = engine.run(INPUTS, record=["a"])
    work = workload_of_run(engine, run, INPUTS)
    assert work.layers == ("a", "o")
    assert (work.timesteps, work.depth_count, work.shared_weights) == (12, 2, (False, False))
    np.testing.assert_array_equal(work.neuron_count, [8, 3])
    np.testing.assert_array_equal(work.fan_in_count, [6 + 8, 8])
    np.testing.assert_array_equal(work.weight_count, [6 * 8 + 8 * 8, 24])
    np.testing.assert_array_equal(work.synapse_count, [6 * 8 - 1 + 8 * 8, 24])
    sent = run.outputs["a"].sum(axis=(0, 2)) / 4
    assert sent.sum() > 5
    arrived = np.concatenate([[0.0], sent[:-1]])
    outside = (INPUTS * np.where(np.arange(6) == 1, 7, 8)).sum(axis=(0, 2)) / 4
    np.testing.assert_allclose(work.synaptic_events[0], outside + 8 * arrived)
    np.testing.assert_allclose(work.synaptic_events[1], 3 * sent)
    np.testing.assert_allclose(work.spikes[0], sent)
    np.testing.assert_allclose(work.spikes_in[0], INPUTS.sum(axis=(0, 2)) / 4 + arrived)


def test_a_map_that_hands_its_sums_on_is_no_layer_of_a_chip() -> None:
    found = []
    for by_map in (False, True):
        engine = SpikingEngine(recurrent(by_map=by_map))
        found.append(workload_of_run(engine, engine.run(INPUTS), INPUTS))
    plain, mapped = found
    assert mapped.layers == plain.layers
    for name in ("neuron_count", "fan_in_count", "weight_count", "synapse_count", "depth_count"):
        np.testing.assert_array_equal(getattr(mapped, name), getattr(plain, name))
    for name in ("synaptic_events", "updates", "spikes", "spikes_in"):
        np.testing.assert_allclose(getattr(mapped, name), getattr(plain, name))


@pytest.mark.parametrize("machine", ["loihi", "speck", "odin", "truenorth", "spinnaker", "spinnaker2"])
def test_a_convolution_with_pooling_has_a_price_on_every_chip(machine: str) -> None:
    rng = np.random.default_rng(5)
    kernel = Conv(weight=rng.choice([-0.5, 0.5, 1.0], (4, 2, 3, 3)).astype(np.float32), padding=1)
    network = SpikingNetwork(
        inputs={"x": (2, 8, 8)},
        layers=(
            layer("c", Neurons(shape=(4, 8, 8), decay=0.9), Projection(source="x", synapses=kernel)),
            layer("p", relay((4, 4, 4)), Projection(source="c", synapses=Pool(kernel=(2, 2), stride=2))),
            layer(
                "o", Neurons(shape=(5,)), Projection(source="p", synapses=Dense(weight=np.ones((5, 64), np.float32)))
            ),
        ),
    )
    engine = SpikingEngine(to_int8(network))
    quiet, busy = (rng.random((2, 10, 2, 8, 8)) < rate for rate in (0.02, 0.3))
    works = [workload_of_run(engine, engine.run(inputs), inputs) for inputs in (quiet, busy)]
    assert works[0].layers == ("c", "p", "o")
    assert works[0].shared_weights == (True, True, False)
    assert (works[0].synapse_count[0], works[0].fan_in_count[0]) == (4 * 2 * 22 * 22, 18)
    less, more = (price(work, load(machine), Scenario(draws=20)).energy_j.interval for work in works)
    assert 0 < less.low <= less.mid <= less.high
    assert less.mid < more.mid


def test_what_has_no_price_is_told() -> None:
    engine = SpikingEngine(recurrent(by_map=False))
    analog = INPUTS * 0.5
    with pytest.raises(InputError, match="input 'x' must hold spikes"):
        workload_of_run(engine, engine.run(analog), analog)
    graded = layer(
        "g", Neurons(shape=(8,), emission=Emission.GRADED), Projection(source="x", synapses=Dense(weight=FIRST))
    )
    engine = SpikingEngine(SpikingNetwork(inputs={"x": (6,)}, layers=(graded,)))
    with pytest.raises(InputError, match="layer 'g' sends graded events"):
        workload_of_run(engine, engine.run(INPUTS), INPUTS)
