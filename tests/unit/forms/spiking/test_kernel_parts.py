"""Parts of the engine's kernels against plain arithmetic: lists of events, and integer states near their limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from tests.unit.forms.spiking.test_network_engine import check

from twentywatts.forms.spiking import SpikingEngine, lane_neurons, lane_tame, to_int8
from twentywatts.forms.spiking import lanes as v
from twentywatts.forms.spiking.events import Layout, flagged, from_dense, listed, to_dense
from twentywatts.network_spiking import Conv, Dense, Neurons, Projection, SpikingLayer, SpikingNetwork


@settings(max_examples=30)
@given(
    seed=st.integers(0, 2**32 - 1),
    width=st.integers(1, 200),
    rate=st.sampled_from([0.0, 0.02, 0.5, 1.0]),
)
def test_events_are_the_flags_that_are_set(seed: int, width: int, rate: float) -> None:
    flags = (np.random.default_rng(seed).random((3, width)) < rate).view(np.uint8)
    first, index = listed(flagged(flags))
    frames, places = np.nonzero(flags)
    np.testing.assert_array_equal(index, places)
    np.testing.assert_array_equal(first, np.searchsorted(frames, np.arange(4)))


@pytest.mark.parametrize("shape", [(70,), (1, 3, 5), (2, 4, 9), (5, 3, 2)])
def test_events_come_back_as_the_array_they_were(shape: tuple[int, ...]) -> None:
    spikes = np.random.default_rng(1).random((2, 3, *shape)) < 0.4
    layout = Layout.of_input(shape)
    np.testing.assert_array_equal(to_dense(from_dense(spikes, layout, np.int32), 2, layout), spikes)


@pytest.mark.parametrize("in_pairs", [True, False])
def test_tame_states_are_exact_up_to_their_limits(monkeypatch: pytest.MonkeyPatch, in_pairs: bool) -> None:
    """Both ways of computing: products in pairs where the machine has them, and plain 32-bit arithmetic."""
    if not in_pairs:
        monkeypatch.setattr(lane_tame, "_multiplies_pairs", lambda context: False)

    @njit
    def step(state, sums, factors, left):  # type: ignore[no-untyped-def]
        parts = lane_tame.tame_parts(v.spread8(factors[0]), v.spread8(factors[1]))
        bounds, place, begin = lane_neurons.bounds8(factors[0] >= 0), v.pointer(state), v.pointer(sums)
        first = lane_tame.tame_lower(v.row8(place, 0), begin, 0, parts, bounds)
        second = lane_tame.tame_upper(v.row8(place, 8), begin, 0, parts, bounds)
        v.store(v.pointer(left), 0, lane_tame.tame_leak(v.row8(place, 0), parts, bounds))
        v.store(v.pointer(left), 8, lane_tame.tame8(v.row8(place, 8), v.row8(place, 16), parts, bounds))
        v.store(place, 0, first)
        v.store(place, 8, second)
        state[0] += 0 * sums[0]  # both arrays live until here

    rng, limit = np.random.default_rng(2), 2**30 - 1
    for decay, gain in ((2**15 - 1, 1), (29491, 4096), (1, 4096), (0, 7)):
        state = rng.integers(-limit, limit, 16, endpoint=True).astype(np.int32)
        state[:4] = limit, -limit, -1, 2**15 - 1
        sums = rng.integers(-(2**15), 2**15, 16).astype(np.int16)
        sums[:3] = 2**15 - 1, -(2**15), 0
        kept, added = state.astype(np.int64) * decay + 2**14 >> 15, sums.astype(np.int64) * gain
        woven, left = sums.reshape(2, 8).T.ravel().copy(), np.zeros(16, np.int32)
        given = np.concatenate([state, sums[8:].astype(np.int32)])
        step(given, woven, np.array([decay, gain], np.int32), left)
        np.testing.assert_array_equal(given[:16], kept + added)
        np.testing.assert_array_equal(left, np.concatenate([kept[:8], (kept + added)[8:]]))
    assert in_pairs or all("pmaddwd" not in code for code in step.inspect_asm().values())


@pytest.mark.parametrize(("decay", "tame"), [(0.9, True), (0.9999, False), (1 - 1e-6, False)])
def test_layers_whose_states_may_saturate_equal_the_equations(decay: float, tame: bool) -> None:
    """A decay near one lets sums pile up, or rounds to none at all: such layers keep the bounds of their states."""
    rng = np.random.default_rng(3)
    weight = rng.normal(0, 1, (150, 300)).astype(np.float32)
    neurons = Neurons(shape=(150,), threshold=9.0, decay=decay)
    one = SpikingLayer(
        name="l", neurons=neurons, projections=(Projection(source="x", synapses=Dense(weight=weight)),)
    )  # fmt: skip
    network = to_int8(SpikingNetwork(inputs={"x": (300,)}, layers=(one,)))
    assert SpikingEngine(network).plan.layers[0].parameters.cells.tame is tame
    assert check(network, rng.random((2, 6, 300)) < 0.2) > 50
    assert check(network, np.ones((1, 3, 300), np.bool_)) > 50  # more rows than one 16-bit sum takes


def test_sums_that_pass_16_bits_equal_the_equations() -> None:
    """300 channels of the largest weights: a position's sum may reach 38,100, which takes 32 bits."""
    weight = (
        np.full((32, 300, 1, 1), 127, np.int8) * np.where(np.arange(32) % 3, 1, -1).astype(np.int8)[:, None, None, None]
    )
    into = Projection(source="x", synapses=Conv(weight=weight), scale=0.01)
    one = SpikingLayer(name="l", neurons=Neurons(shape=(32, 2, 2), threshold=90.0, decay=0.9), projections=(into,))
    network = SpikingNetwork(inputs={"x": (300, 2, 2)}, layers=(one,))
    plan = SpikingEngine(network).plan.layers[0]
    assert plan.packed[0].small.dtype == np.int32
    assert not plan.parameters.tile.tame
    rng = np.random.default_rng(4)
    assert check(network, rng.random((2, 6, 300, 2, 2)) < 0.1) > 20
    assert check(network, np.ones((1, 2, 300, 2, 2), np.bool_)) > 20
