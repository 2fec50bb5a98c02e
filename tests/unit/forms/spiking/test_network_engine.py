"""The engine against the plain equations, bit for bit, and its counters against theirs."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twentywatts.errors import InputError
from twentywatts.forms.spiking import SpikingEngine, crossover_rates, to_int8
from twentywatts.forms.spiking.memory import needed_bytes
from twentywatts.forms.spiking.plain import plain_run
from twentywatts.network_spiking import (
    Conv,
    Dense,
    Emission,
    Neurons,
    OneToOne,
    Pool,
    Projection,
    Reset,
    SpikingLayer,
    SpikingNetwork,
    relay,
)

COUNTS = "events_in synaptic_events zero_weight_events neurons_touched spikes_out".split()
SIMPLE: list[dict[str, Any]] = [
    {"decay": 0.9},
    {"decay": 1.0, "reset": Reset.ZERO, "start": 0.5},
    {"decay": 0.8, "delayed_reset": True},
    {"decay": 0.9, "strict": True, "input_gain": 0.5},
    {"decay": 0.7, "rest": 0.2, "start": 2.0},
]
ODD: list[dict[str, Any]] = [
    {"emission": Emission.MANY, "decay": 0.9},
    {"emission": Emission.MANY, "most_spikes": 2, "signed": True},
    {"signed": True, "delayed_reset": True, "decay": 0.9},
    {"emission": Emission.GRADED, "decay": 0.5, "signed": True},
    {"synapse_decay": 0.7, "decay": 0.9, "input_gain": 0.3},
    {"delayed_reset": True, "reset": Reset.ZERO, "reset_value": -0.2, "decay": 0.9},
]


def weights(rng: np.random.Generator, shape: tuple[int, ...], zeros: float) -> np.ndarray:
    return (rng.normal(0, 1, shape) * (rng.random(shape) >= zeros)).astype(np.float32)


def layer(name: str, neurons: Neurons, *projections: Projection, **more: Any) -> SpikingLayer:
    return SpikingLayer(name=name, neurons=neurons, projections=projections, **more)


def dense_network(rng: np.random.Generator, how: dict[str, Any], zeros: float = 0.2) -> SpikingNetwork:
    """Return three dense layers, wider and narrower than the engine's blocks, the second with a bias."""
    layers, source, inputs = [], "x", 20
    for number, count in enumerate((150, 37, 5)):
        synapses = Dense(weight=weights(rng, (count, inputs), zeros))
        bias = rng.normal(0, 0.1, count) if number == 1 else None
        neurons = Neurons(shape=(count,), **{"threshold": 1.5, **how})
        layers.append(layer(f"l{number}", neurons, Projection(source=source, synapses=synapses), bias=bias))
        source, inputs = f"l{number}", count
    return SpikingNetwork(inputs={"x": (20,)}, layers=tuple(layers))


def conv_network(rng: np.random.Generator, how: dict[str, Any], groups: int, zeros: float = 0.2) -> SpikingNetwork:
    """Return a padded convolution, a strided and grouped one, and a dense layer."""
    how = {"threshold": 1.2, **how}
    first = Conv(weight=weights(rng, (6, 2 // groups, 3, 3), zeros), padding=1, groups=groups)
    second = Conv(weight=weights(rng, (12, 6 // groups, 3, 2), zeros), stride=(2, 1), padding=((1, 0), (0, 1)),
                  groups=groups)  # fmt: skip
    third = Dense(weight=weights(rng, (4, 12 * 3 * 5), zeros))
    layers = (
        layer("c1", Neurons(shape=(6, 7, 5), **how), Projection(source="x", synapses=first)),
        layer("c2", Neurons(shape=(12, 3, 5), **how), Projection(source="c1", synapses=second)),
        layer("f", Neurons(shape=(4,), **how), Projection(source="c2", synapses=third)),
    )
    return SpikingNetwork(inputs={"x": (2, 7, 5)}, layers=layers)


def odd_network(rng: np.random.Generator, how: dict[str, Any], *, loops: bool) -> SpikingNetwork:
    """Return what the general path takes: recurrence, delays by neuron, pooling, two projections, an integrator."""
    how = {"threshold": 1.2, **how}
    into_a = [Projection(source="x", synapses=Conv(weight=weights(rng, (4, 2, 3, 3), 0.2), padding=1, stride=2))]
    if loops:
        into_a.append(Projection(source="a", synapses=OneToOne(weight=weights(rng, (4, 2, 2), 0.0)), delay_steps=1))
    delays = rng.integers(0, 3, 16)
    layers = (
        layer("o", Neurons(shape=(3,), emission=Emission.NONE, decay=0.9),
              Projection(source="f", synapses=Dense(weight=weights(rng, (3, 9), 0.2)))),
        layer("a", Neurons(shape=(4, 2, 2), **how), *into_a),
        layer("p", relay((4, 1, 1)), Projection(source="a", synapses=Pool(kernel=(2, 2), mean=True))),
        layer("f", Neurons(shape=(9,), **how),
              Projection(source="p", synapses=Dense(weight=weights(rng, (9, 4), 0.2))),
              Projection(source="a", synapses=Dense(weight=weights(rng, (9, 16), 0.2)), delay_steps=delays), bias=0.05),
    )  # fmt: skip
    return SpikingNetwork(inputs={"x": (2, 4, 4)}, layers=layers, outputs=("o",))


def check(network: SpikingNetwork, x: np.ndarray, **how: Any) -> int:
    """Compare trains and counts of all layers; return how many spikes there were."""
    engine = SpikingEngine(network, **how)
    names = [one.name for one in network.layers]
    done = engine.run(x, record=names)
    plain = [plain_run(network, {"x": sample}) for sample in x]
    for plan in engine.plan.layers:
        name, parameters = plan.layer.name, plan.parameters
        wanted = np.array([run.trains[name] for run in plain])
        if plan.shows_membrane:
            wanted = (wanted * parameters.unit).astype(np.float32)
        elif plan.sends_payloads and not plan.sends_several:
            wanted = (wanted * parameters.value).astype(np.float32)
        np.testing.assert_array_equal(done.outputs[name], wanted, err_msg=name)
        total = np.sum([run.counts[name] for run in plain], axis=0)
        for field, row in zip(COUNTS, total, strict=True):
            np.testing.assert_array_equal(getattr(done.counts[name], field), row, err_msg=f"{name}: {field}")
    return int(sum(done.counts[name].spikes_out.sum() for name in names))


@pytest.mark.parametrize("kind", ["float32", "int8"])
@settings(max_examples=4)
@given(seed=st.integers(0, 2**32 - 1), how=st.sampled_from(SIMPLE), rate=st.sampled_from([0.03, 0.2]))
def test_dense_layers_equal_the_equations(kind: str, seed: int, how: dict[str, Any], rate: float) -> None:
    rng = np.random.default_rng(seed)
    network = dense_network(rng, how, zeros=rng.choice([0.0, 0.5]))
    x = rng.random((2, 10, 20)) < rate
    check(network if kind == "float32" else to_int8(network), x)


@pytest.mark.parametrize("kind", ["float32", "int8"])
@settings(max_examples=4)
@given(
    seed=st.integers(0, 2**32 - 1),
    how=st.sampled_from(SIMPLE),
    groups=st.sampled_from([1, 2]),
    rate=st.sampled_from([0.01, 0.1]),
)
def test_convolutions_equal_the_equations(kind: str, seed: int, how: dict[str, Any], groups: int, rate: float) -> None:
    rng = np.random.default_rng(seed)
    network = conv_network(rng, how, groups, zeros=rng.choice([0.0, 0.3]))
    x = rng.random((2, 12, 2, 7, 5)) < rate
    check(network if kind == "float32" else to_int8(network), x)


@pytest.mark.parametrize("zeros", [0.0, 0.3])
def test_channels_of_whole_vectors_equal_the_equations(zeros: float) -> None:
    """32, 64 and 72 channels: cells of one and of two words, and one that no vector of 32 fits."""
    rng, how = np.random.default_rng(5), {"decay": 0.9, "threshold": 2.0}
    into = [Conv(weight=weights(rng, (32, 2, 3, 3), zeros), padding=1)]
    into += [Conv(weight=weights(rng, (64, 32, 3, 3), zeros), stride=2, padding=1)]
    into += [Conv(weight=weights(rng, (72, 64, 1, 1), zeros))]
    shapes, names = [(32, 3, 4), (64, 2, 2), (72, 2, 2)], ["x", "c1", "c2", "c3"]
    layers = [
        layer(names[i + 1], Neurons(shape=shapes[i], **how), Projection(source=names[i], synapses=into[i]))
        for i in range(3)
    ]
    network = SpikingNetwork(inputs={"x": (2, 3, 4)}, layers=tuple(layers))
    x = rng.random((2, 6, 2, 3, 4)) < 0.1
    assert check(network, x) > 50
    assert check(to_int8(network), x) > 50


@pytest.mark.parametrize("kind", ["float32", "int8"])
@settings(max_examples=5)
@given(seed=st.integers(0, 2**32 - 1), how=st.sampled_from(ODD), loops=st.booleans(), counts=st.booleans())
def test_all_other_neurons_equal_the_equations(
    kind: str, seed: int, how: dict[str, Any], loops: bool, counts: bool
) -> None:
    rng = np.random.default_rng(seed)
    graded_loop = loops and kind == "int8" and how.get("emission") is Emission.GRADED
    network = odd_network(rng, how, loops=loops and not graded_loop)
    x = rng.poisson(0.3, (2, 8, 2, 4, 4)) if counts else rng.random((2, 8, 2, 4, 4)) < 0.3
    check(network if kind == "float32" else to_int8(network), x)


@pytest.mark.parametrize("kind", ["float32", "int8"])
def test_neurons_that_differ_equal_the_equations(kind: str) -> None:
    """A threshold, a decay and a start for each neuron: what layers of equal neurons keep in common holds for none."""
    rng = np.random.default_rng(6)
    weight = weights(rng, (150, 20), 0.5), weights(rng, (8, 150, 1, 1), 0.5)
    each = [
        {"threshold": rng.uniform(1, 2, n), "decay": rng.uniform(0.5, 1, n), "start": rng.uniform(0, 2.5, n)}
        for n in (150, 8)
    ]
    layers = (
        layer("d", Neurons(shape=(150, 1, 1), **{k: x.reshape(150, 1, 1) for k, x in each[0].items()}),
              Projection(source="x", synapses=Conv(weight=weight[0][:, :, None, None]))),
        layer("c", Neurons(shape=(8, 1, 1), **{k: x.reshape(8, 1, 1) for k, x in each[1].items()}),
              Projection(source="d", synapses=Conv(weight=weight[1]))),
    )  # fmt: skip
    flat = layer("d", Neurons(shape=(150,), **each[0]), Projection(source="x", synapses=Dense(weight=weight[0])))
    wide = SpikingNetwork(inputs={"x": (20, 1, 1)}, layers=layers)
    rows = SpikingNetwork(inputs={"x": (20,)}, layers=(flat,))
    for network, shape in ((wide, (20, 1, 1)), (rows, (20,))):
        x = rng.random((2, 10, *shape)) < 0.1
        assert check(network if kind == "float32" else to_int8(network), x) > 50


def test_sums_of_more_rows_than_16_bits_hold_are_exact() -> None:
    """600 inputs that nearly all spike, weights of one sign: sums up to 76,200 counts."""
    rng = np.random.default_rng(7)
    weight = rng.integers(100, 128, (150, 600)).astype(np.int8) * rng.choice([-1, 1], (150, 1)).astype(np.int8)
    neurons = Neurons(shape=(150,), threshold=5000.0, decay=0.5)
    network = SpikingNetwork(
        inputs={"x": (600,)}, layers=(layer("d", neurons, Projection(source="x", synapses=Dense(weight=weight))),)
    )
    assert check(network, rng.random((1, 6, 600)) < 0.95) > 100


def test_the_comparison_sees_spikes() -> None:
    rng = np.random.default_rng(0)
    assert check(dense_network(rng, SIMPLE[0]), rng.random((2, 10, 20)) < 0.2) > 100
    assert check(conv_network(rng, SIMPLE[0], 1), rng.random((1, 10, 2, 7, 5)) < 0.1) > 100
    assert check(odd_network(rng, ODD[0], loops=True), rng.random((1, 8, 2, 4, 4)) < 0.3) > 20


def test_graded_inputs_carry_their_payload() -> None:
    rng = np.random.default_rng(4)
    x = (rng.random((1, 8, 2, 4, 4)) < 0.3) * rng.normal(0, 1, (1, 8, 2, 4, 4))
    assert check(odd_network(rng, ODD[3], loops=False), x.astype(np.float32))


def test_neither_threads_nor_windows_nor_batches_change_anything() -> None:
    rng = np.random.default_rng(1)
    network = to_int8(conv_network(rng, SIMPLE[0], 1))
    x = rng.random((20, 9, 2, 7, 5)) < 0.1
    whole = SpikingEngine(network).run(x, record=["c1", "c2"])
    threaded = SpikingEngine(network, workers=3).run(x, record=["c1", "c2"])
    alone = SpikingEngine(network).run(x[7:8], record=["c1", "c2"])
    for name in ("c1", "c2", "f"):
        np.testing.assert_array_equal(whole.outputs[name], threaded.outputs[name])
        np.testing.assert_array_equal(whole.outputs[name][7:8], alone.outputs[name])
        np.testing.assert_array_equal(whole.counts[name].table(), threaded.counts[name].table())


def test_a_matrix_product_gives_the_same_integers() -> None:
    rng = np.random.default_rng(2)
    network = to_int8(dense_network(rng, SIMPLE[0]))
    x = rng.random((3, 10, 20)) < 0.5
    assert check(network, x, matrix_above=0.0) == check(network, x)
    assert check(network, x, matrix_above={"l0": 0.1})


@pytest.mark.parametrize(("gap", "fires"), [(6, True), (7, False)])
def test_an_untouched_neuron_decays_by_each_step_that_it_slept(gap: int, fires: bool) -> None:
    """0.8 · 0.8⁶ + 0.8 is 1.01, with one step more it is 0.97; the threshold is 1."""
    kernel = Conv(weight=np.full((1, 1, 1, 1), 0.8, np.float32))
    neurons = Neurons(shape=(1, 2, 2), threshold=1.0, decay=0.8)
    network = SpikingNetwork(
        inputs={"x": (1, 2, 2)}, layers=(layer("c", neurons, Projection(source="x", synapses=kernel)),)
    )
    x = np.zeros((1, 12, 1, 2, 2), bool)
    x[0, [0, gap], 0, 1, 1] = True
    done = SpikingEngine(network).run(x)
    assert np.flatnonzero(done.outputs["c"][0, :, 0, 1, 1]).tolist() == [gap] * fires
    assert np.flatnonzero(done.counts["c"].neurons_touched).tolist() == [0, gap]


def test_what_stays_above_threshold_spikes_again_without_an_event() -> None:
    kernel = Conv(weight=np.full((1, 1, 1, 1), 2.5, np.float32))
    network = SpikingNetwork(
        inputs={"x": (1, 2, 2)},
        layers=(layer("c", Neurons(shape=(1, 2, 2), decay=0.9), Projection(source="x", synapses=kernel)),),
    )
    x = np.zeros((1, 4, 1, 2, 2), bool)
    x[0, 0, 0, 0, 0] = True
    done = SpikingEngine(network).run(x)
    assert done.outputs["c"][0, :, 0, 0, 0].tolist() == [True, True, False, False]  # 2.5, then 1.5 · 0.9
    assert done.counts["c"].neurons_touched.tolist() == [1, 1, 0, 0]


BAD_INPUTS = [
    (np.zeros((1, 0, 20), bool), "at least one sample and one step"),
    (np.zeros((1, 4, 21), bool), "shape"),
    (np.full((1, 4, 20), np.nan), "NaN"),
    (np.full((1, 4, 20), "a"), "numbers"),
]


@pytest.mark.parametrize(("x", "words"), BAD_INPUTS)
def test_inputs_that_do_not_fit_are_refused(x: np.ndarray, words: str) -> None:
    engine = SpikingEngine(dense_network(np.random.default_rng(0), SIMPLE[0]))
    with pytest.raises(InputError, match=words):
        engine.run(x)


def test_int8_takes_whole_numbers_of_spikes() -> None:
    engine = SpikingEngine(to_int8(dense_network(np.random.default_rng(0), SIMPLE[0])))
    with pytest.raises(InputError, match="fractions"):
        engine.run(np.full((1, 4, 20), 0.5))
    with pytest.raises(InputError, match="payloads beyond"):
        engine.run(np.full((1, 4, 20), 2**20))


def test_a_network_too_large_for_the_machine_is_refused_before_it_is_built() -> None:
    kernel = Conv(weight=np.ones((10, 1, 3, 3), np.float32), padding=1)
    network = SpikingNetwork(
        inputs={"x": (1, 1000, 1000)},
        layers=(layer("huge", Neurons(shape=(10, 1000, 1000)), Projection(source="x", synapses=kernel)),),
    )
    with pytest.raises(InputError, match=r"10,000,000 neurons needs about 0\.\d+ GiB.* 0\.25 GiB can be had"):
        SpikingEngine(network, limit_bytes=2**28)


@pytest.mark.parametrize("delay", [10**12, np.array([1, 2, 10**12])])
def test_a_delay_too_long_for_the_machine_is_refused_before_it_is_built(delay: Any) -> None:
    late = Projection(source="x", synapses=Dense(weight=np.eye(3, dtype=np.float32)), delay_steps=delay)
    network = SpikingNetwork(inputs={"x": (3,)}, layers=(layer("late", Neurons(shape=(3,)), late),))
    with pytest.raises(InputError, match=r"needs about .*e\+04 GiB.* shorter delays"):
        SpikingEngine(network, limit_bytes=2**34)


def test_outputs_too_large_for_the_machine_are_refused_before_the_run() -> None:
    engine = SpikingEngine(dense_network(np.random.default_rng(0), SIMPLE[0]), limit_bytes=2**26)
    count = engine.network.shape_of(engine.network.results[0])[0]
    steps = 2**27 // (1000 * count)
    with pytest.raises(InputError, match=r"0\.25 GiB of it for what it returns.* 0\.0625 GiB can be had"):
        engine.run(np.broadcast_to(np.False_, (1000, steps, 20)))


def test_the_estimate_of_memory_is_near_what_is_used() -> None:
    kernel = Conv(weight=np.ones((8, 1, 3, 3), np.float32), padding=1)
    network = SpikingNetwork(
        inputs={"x": (1, 150, 150)},
        layers=(layer("c", Neurons(shape=(8, 150, 150)), Projection(source="x", synapses=kernel)),),
    )
    tracemalloc.start()
    engine = SpikingEngine(network)
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert engine.plan.widest == 8 * 150 * 150
    assert held < needed_bytes(network) < 4 * held


def test_crossover_rates_name_the_dense_layers() -> None:
    network = dense_network(np.random.default_rng(0), SIMPLE[0])
    found = crossover_rates(network, rates=(0.5,))
    assert set(found) == {"l0", "l1", "l2"}
    assert set(found.values()) <= {0.5, np.inf}


def test_weights_of_two_kinds_are_refused() -> None:
    network = dense_network(np.random.default_rng(0), SIMPLE[0])
    mixed = SpikingNetwork(inputs=network.inputs, layers=(to_int8(network).layers[0], *network.layers[1:]))
    with pytest.raises(InputError, match="one kind"):
        SpikingEngine(mixed)


def test_payloads_whose_sums_might_pass_32_bits_are_refused() -> None:
    network = SpikingNetwork(
        inputs={"x": (1000,)},
        layers=(
            layer(
                "a",
                Neurons(shape=(4,)),
                Projection(source="x", synapses=Dense(weight=np.full((4, 1000), 127, np.int8))),
            ),
        ),
    )
    with pytest.raises(InputError, match="may pass 32 bits"):
        SpikingEngine(network).run(np.full((1, 2, 1000), 30_000))
