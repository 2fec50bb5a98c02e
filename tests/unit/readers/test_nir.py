"""NIR in and out: what is written is read back, what is not executed is refused by name, files are not trusted."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.spiking_reference import membranes_and_events

from twentywatts.errors import InputError, ModelError
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

nir = pytest.importorskip("nir")
h5py = pytest.importorskip("h5py")

from twentywatts.readers.nir import from_nir, read_nir  # noqa: E402
from twentywatts.readers.nir_export import to_nir, write_nir  # noqa: E402

SIZE = 4
ONES = np.ones(SIZE)


def layer(name: str, neurons: Neurons, *feeds: tuple[str, Any, Any], bias: Any = None) -> SpikingLayer:
    projections = tuple(Projection(source=s, synapses=y, delay_steps=d) for s, y, d in feeds)
    return SpikingLayer(name=name, neurons=neurons, projections=projections, bias=bias)


@pytest.fixture
def everything() -> SpikingNetwork:
    """Return a network with every primitive that is executed."""
    rng = np.random.default_rng(3)

    def weight(*shape: int) -> np.ndarray:
        return rng.normal(0, 0.5, shape).astype(np.float32)

    leaky = Neurons(shape=(4, 8, 8), decay=0.9, input_gain=0.7, start=0.5, threshold=1.2, rest=0.1)
    current = Neurons(shape=(6,), decay=0.8, synapse_decay=0.5, delayed_reset=True, strict=True)
    gate = Neurons(shape=(6,), decay=0, reset=Reset.ZERO, threshold=0.3)
    return SpikingNetwork(
        inputs={"x": (2, 8, 8)},
        step_s=1e-3,
        layers=(
            layer("a", leaky, ("x", Conv(weight=weight(4, 2, 3, 3), padding=1), 0), bias=rng.normal(0, 0.1, (4, 1, 1))),
            layer("mean", relay((4, 4, 4)), ("a", Pool(kernel=(2, 2), stride=2, mean=True), 0)),
            layer("sum", relay((4, 4, 4)), ("a", Pool(kernel=(2, 2), stride=2), 0)),
            layer(
                "b",
                current,
                ("mean", Dense(weight=weight(6, 64)), 2),
                ("b", Dense(weight=weight(6, 6)), 1),
                bias=rng.normal(0, 0.1, 6),
            ),
            layer(
                "c",
                Neurons(shape=(6,), emission=Emission.MANY),
                ("b", OneToOne(weight=weight(6)), 0),
                ("sum", Dense(weight=weight(6, 64)), rng.integers(0, 3, 64)),
            ),
            layer("gate", gate, ("c", OneToOne(weight=np.ones(1, dtype=np.float32)), 0)),
            layer("i", Neurons(shape=(3,), emission=Emission.NONE), ("gate", Dense(weight=weight(3, 6)), 0)),
            layer("li", Neurons(shape=(3,), decay=0.9, emission=Emission.NONE), ("b", Dense(weight=weight(3, 6)), 0)),
            layer(
                "cuba",
                Neurons(shape=(3,), decay=0.9, synapse_decay=0.4, emission=Emission.NONE),
                ("b", Dense(weight=weight(3, 6)), 0),
            ),
        ),
        outputs=("c", "i", "li", "cuba"),
    )


def test_every_primitive_goes_out_and_comes_back(everything: SpikingNetwork, tmp_path: Path) -> None:
    path = tmp_path / "net.nir"
    write_nir(everything, path)
    back = read_nir(path)
    again = from_nir(to_nir(back))
    kinds = {type(node).__name__ for node in nir.read(path, type_check=False).nodes.values()}
    wanted = "Affine AvgPool2d Conv2d CubaLI CubaLIF Delay Flatten I IF Input LI LIF Linear Output Scale SumPool2d"
    assert kinds == {*wanted.split(), "Threshold"}
    fed = {"x": (np.random.default_rng(1).random((25, 2, 8, 8)) < 0.3).astype(float)}
    membranes, events = membranes_and_events(everything, fed)
    assert set(back.results) == set(everything.results)
    for network in (back, again):
        found, sent = membranes_and_events(network, fed)
        for name, train in events.items():
            np.testing.assert_array_equal(sent[name], train, err_msg=name)
            np.testing.assert_allclose(found[name], membranes[name], atol=1e-6, err_msg=name)
    assert all(events[name].any() for name in ("a", "b", "c", "gate"))


def test_one_axis_convolutions_and_graphs_inside_graphs() -> None:
    inner = nir.NIRGraph(
        nodes={
            "input": nir.Input({"input": np.array([3, 8])}),
            "spikes": nir.IF(r=np.full((3, 8), 10.0), v_threshold=np.ones((3, 8))),
            "output": nir.Output({"output": np.array([3, 8])}),
        },
        edges=[("input", "spikes"), ("spikes", "output")],
        type_check=False,
    )
    conv = nir.Conv1d(8, np.ones((3, 2, 3)), 1, "same", 1, 1, np.arange(3.0))
    graph = nir.NIRGraph(
        nodes={
            "input": nir.Input({"input": np.array([2, 8])}),
            "conv": conv,
            "cell": inner,
            "output": nir.Output({"output": np.array([3, 8])}),
        },
        edges=[("input", "conv"), ("conv", "cell"), ("cell", "output")],
        type_check=False,
    )
    network = from_nir(graph, step_s=0.1)
    assert [x.name for x in network.layers] == ["cell.spikes"]
    (projection,) = network.layers[0].projections
    assert isinstance(projection.synapses, Conv)
    np.testing.assert_array_equal(network.layers[0].biases()[:, 0], [0, 1, 2])
    membranes, events = membranes_and_events(network, {"input": np.ones((1, 2, 8))})
    assert events["cell.spikes"].all()  # at least four inputs in reach of each neuron: all above 1, and reset to zero
    assert not membranes["cell.spikes"].any()


def graph_of(**changes: Any) -> Any:
    """Return input, dense, LIF, output; nodes or edges replaced."""
    nodes = {
        "input": nir.Input({"input": np.array([SIZE])}),
        "dense": nir.Linear(np.eye(SIZE)),
        "lif": nir.LIF(tau=ONES * 1e-3, r=ONES * 10, v_leak=ONES * 0, v_threshold=ONES),
        "output": nir.Output({"output": np.array([SIZE])}),
    }
    edges = changes.pop("edges", [("input", "dense"), ("dense", "lif"), ("lif", "output")])
    return nir.NIRGraph(nodes={**nodes, **changes}, edges=edges, type_check=False)


def lif(**changes: Any) -> Any:
    given = {"tau": ONES * 1e-3, "r": ONES * 10, "v_leak": ONES * 0, "v_threshold": ONES}
    return nir.LIF(**{**given, **changes})


class Sigmoid:
    """A node that NIR does not have."""


LOOP = [("input", "dense"), ("dense", "lif"), ("lif", "back"), ("back", "lif"), ("lif", "output")]
BAD: dict[str, tuple[Callable[[], Any], str]] = {
    "NaN weights": (lambda: graph_of(dense=nir.Linear(np.full((SIZE, SIZE), np.nan))), "node 'dense'.*NaN"),
    "threshold zero": (lambda: graph_of(lif=lif(v_threshold=ONES * 0)), "node 'lif'.*thresholds must be above 0"),
    "threshold NaN": (lambda: graph_of(lif=lif(v_threshold=ONES * np.nan)), "node 'lif'.*NaN"),
    "tau below zero": (lambda: graph_of(lif=lif(tau=-ONES)), "node 'lif'.*tau must be above 0"),
    "tau below a step": (lambda: graph_of(lif=lif(tau=ONES * 1e-9)), "shorter than a step"),
    "a wrong node": (lambda: graph_of(lif=Sigmoid()), "node 'lif' is of type Sigmoid, which is not executed"),
    "a loop": (lambda: graph_of(back=nir.Linear(np.eye(SIZE)), edges=LOOP), "'lif'.*loop without delay"),
    "an unknown end": (lambda: graph_of(edges=[("input", "nobody")]), "'nobody', which is not in the graph"),
    "nothing feeds": (lambda: graph_of(edges=[("input", "dense"), ("lif", "output")]), "nothing feeds node 'lif'"),
    "sizes": (lambda: graph_of(dense=nir.Linear(np.ones((SIZE, 7)))), "node 'dense'.*7 inputs"),
    "parts of a step": (
        lambda: graph_of(
            wait=nir.Delay(ONES * 1.5e-4),
            edges=[("input", "wait"), ("wait", "dense"), ("dense", "lif"), ("lif", "output")],
        ),
        "node 'wait'.*whole numbers of steps",
    ),
    "an integrator in between": (
        lambda: graph_of(
            li=nir.LI(tau=ONES, r=ONES, v_leak=ONES * 0),
            edges=[("input", "li"), ("li", "dense"), ("dense", "lif"), ("lif", "output")],
        ),
        "node 'li'.*executed where it is the output",
    ),
    "made-up metadata": (
        lambda: graph_of(lif=nir.LIF(**{**vars_of(lif()), "metadata": {"twentywatts": "[1"}})),
        "metadata 'twentywatts' cannot be used",
    ),
}


def vars_of(node: Any) -> dict[str, Any]:
    return {name: getattr(node, name) for name in ("tau", "r", "v_leak", "v_threshold", "v_reset")}


@pytest.mark.parametrize("case", BAD)
def test_a_graph_that_cannot_be_run_is_refused_by_name(case: str) -> None:
    make, words = BAD[case]
    with pytest.raises(InputError, match=words):
        from_nir(make())


def test_loops_are_delayed_where_the_library_delays_them() -> None:
    graph = graph_of(back=nir.Linear(-np.eye(SIZE)), edges=LOOP)
    network = from_nir(graph, dialect="snntorch")
    delays = {p.source: p.delay_steps for p in network.layers[0].projections}
    assert delays == {"input": 0, "lif": 1}
    waiting = graph_of(
        back=nir.Linear(-np.eye(SIZE)),
        wait=nir.Delay(ONES * 3e-4),
        edges=[*LOOP[:2], ("lif", "back"), ("back", "wait"), ("wait", "lif"), ("lif", "output")],
    )
    network = from_nir(waiting)
    assert max(int(np.max(p.delay_steps)) for x in network.layers for p in x.projections) == 3


def test_dialects_are_named_and_steps_are_numbers() -> None:
    with pytest.raises(InputError, match="did you mean 'sinabs'"):
        from_nir(graph_of(), dialect="sinab")
    with pytest.raises(InputError, match="above 0"):
        from_nir(graph_of(), step_s=0.0)
    cuba = nir.CubaLIF(tau_syn=ONES, tau_mem=ONES, r=ONES, v_leak=ONES * 0, v_threshold=ONES)
    with pytest.raises(InputError, match=r"node 'lif' \(CubaLIF\).*the membrane before the current"):
        from_nir(graph_of(lif=cuba), dialect="norse")


def _write(path: Path, change: Callable[[Any], None]) -> Path:
    nir.write(path, graph_of())
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def _linked(file: Any) -> None:
    file["node/nodes/dense/more"] = h5py.ExternalLink("/etc/passwd", "x")


def _soft(file: Any) -> None:
    file["node/nodes/again"] = h5py.SoftLink("/node")


def _outside(file: Any) -> None:
    group = file["node/nodes/dense"]
    del group["weight"]
    group.create_dataset("weight", (4, 4), "f4", external=[("/etc/passwd", 0, 64)])


def _bomb(file: Any) -> None:
    file["node/nodes/dense"].create_dataset("huge", (2**31, 8), "f8", chunks=(2**16, 8), compression="gzip")


def _smaller_bomb(file: Any) -> None:
    file["node/nodes/dense"].create_dataset("huge", (2**27,), "f4")  # not one value of it is stored


def _foreign(file: Any) -> None:
    del file["node/nodes/lif/type"]
    file["node/nodes/lif/type"] = "os.system"


def _empty(file: Any) -> None:
    del file["node"]


def _complex(file: Any) -> None:
    group = file["node/nodes/dense"]
    shape = group["weight"].shape
    del group["weight"]
    group.create_dataset("weight", data=np.ones(shape, "c8"))


def _sized(size: object) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        path = next(f"node/nodes/{name}/shape" for name in file["node/nodes"] if _is_input(file, name))
        del file[path]
        file.create_dataset(path, data=size)

    return change


def _is_input(file: Any, name: str) -> bool:
    return bool(file[f"node/nodes/{name}/type"][()] == b"Input")


FILES: dict[str, tuple[Callable[[Any], None], str]] = {
    "complex weights": (_complex, "'weight' holds complex numbers"),
    "a size that is no number": (_sized(np.array([np.nan])), r"not a NIR graph that can be read \(ValueError"),
    "a size that is a text": (_sized("x"), r"not a NIR graph that can be read \(ValueError"),
    "a link to another file": (_linked, "link to somewhere else"),
    "a link within": (_soft, "link to somewhere else"),
    "values kept elsewhere": (_outside, "another file, which is not opened"),
    "a smaller bomb": (_smaller_bomb, "unpack to more than 268,435,456 bytes"),
    "a bomb": (_bomb, "unpack to more than"),
    "a type of its own": (_foreign, "node 'lif' is of type os.system"),
    "no graph": (_empty, "without a NIR graph"),
}


@pytest.mark.parametrize("case", FILES)
def test_files_are_looked_through_before_they_are_read(case: str, tmp_path: Path) -> None:
    change, words = FILES[case]
    with pytest.raises(ModelError, match=words):
        read_nir(_write(tmp_path / "net.nir", change))


def test_names_in_a_file_do_not_steer_a_terminal(tmp_path: Path) -> None:
    def change(file: Any) -> None:
        edges = file["node/edges"][()]
        del file["node/edges"]
        file.create_dataset(
            "node/edges", data=np.array([*edges.astype("S"), [edges.astype("S")[0][0], b"\x1b[31mred"]])
        )

    with pytest.raises(ModelError, match="an edge names node") as error:
        read_nir(_write(tmp_path / "net.nir", change))
    assert str(error.value).isprintable()


@pytest.mark.parametrize(("index", "size"), [(0, 0), (0, 8), (0, 2**40), (1, 2**40), (1, 2**64 - 1), (9, 255)], ids=str)
def test_a_heap_that_the_library_would_walk_for_ever_is_told(index: int, size: int, tmp_path: Path) -> None:
    path = _write(tmp_path / "net.nir", lambda file: None)
    content = bytearray(path.read_bytes())
    place = content.index(b"GCOL") + 16  # of the first object; a wrong size leads to free room of no size
    content[place : place + 16] = struct.pack("<HHxxxxQ", index, 0, size)
    content[place + 16 + 256 : place + 16 + 256 + 16] = bytes(16)
    path.write_bytes(content)
    with pytest.raises(ModelError, match="its heap of texts is damaged"):
        read_nir(path)


def test_what_is_no_file_of_nir_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no NIR file"):
        read_nir(tmp_path / "none.nir")
    (tmp_path / "text.nir").write_text("not HDF5")
    with pytest.raises(ModelError, match="not an HDF5 file"):
        read_nir(tmp_path / "text.nir")
    whole = _write(tmp_path / "cut.nir", lambda file: None).read_bytes()
    for size in (9, 100, len(whole) // 2):
        (tmp_path / "cut.nir").write_bytes(whole[:size])
        with pytest.raises(ModelError):
            read_nir(tmp_path / "cut.nir")


REFUSED: dict[str, tuple[SpikingLayer, str]] = {
    "graded": (layer("a", Neurons(shape=(4,), emission=Emission.GRADED), ("x", Dense(weight=np.eye(4)), 0)), "graded"),
    "signed": (layer("a", Neurons(shape=(4,), signed=True), ("x", Dense(weight=np.eye(4)), 0)), "signed"),
    "bias": (layer("a", Neurons(shape=(4,)), ("x", OneToOne(weight=np.ones(4)), 0), bias=np.ones(4)), "a bias"),
    "mixed": (layer("a", Neurons(shape=(4,), decay=[1, 1, 1, 0.5]), ("x", Dense(weight=np.eye(4)), 0)), "leak"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_nir_cannot_hold_is_refused_by_name(case: str, tmp_path: Path) -> None:
    one, words = REFUSED[case]
    with pytest.raises(InputError, match=f"layer 'a' has no NIR primitive: .*{words}"):
        write_nir(SpikingNetwork(inputs={"x": (4,)}, layers=(one,)), tmp_path / "net.nir")


def test_choices_are_written_as_plain_text(tmp_path: Path) -> None:
    one = layer("a", Neurons(shape=(4,), decay=0.5, strict=True), ("x", Dense(weight=np.eye(4)), 0))
    node = to_nir(SpikingNetwork(inputs={"x": (4,)}, layers=(one,))).nodes["a"]
    assert json.loads(node.metadata["twentywatts"])["strict"] is True


@pytest.mark.parametrize("dialect", ["nir", "snntorch", "sinabs", "norse", "spikingjelly"])
def test_what_was_written_needs_no_dialect(dialect: str, tmp_path: Path) -> None:
    graph = graph_of(lif=nir.LIF(**vars_of(lif())))
    nir.write(tmp_path / "theirs.nir", graph)
    network = read_nir(tmp_path / "theirs.nir", dialect=dialect, step_s=1e-3)
    write_nir(network, tmp_path / "ours.nir")
    for named in ("nir", dialect):
        again = read_nir(tmp_path / "ours.nir", dialect=named)
        assert again.step_s == network.step_s
        for one, other in zip(network.layers, again.layers, strict=True):
            for name in ("decay", "input_gain", "threshold"):
                np.testing.assert_allclose(other.neurons.values(name), one.neurons.values(name), rtol=1e-9)
            assert (other.neurons.emission, other.neurons.reset) == (one.neurons.emission, one.neurons.reset)


def test_damaged_files_end_in_one_line(everything: SpikingNetwork, tmp_path: Path) -> None:
    path = tmp_path / "net.nir"
    write_nir(everything, path)
    whole, generator = path.read_bytes(), np.random.default_rng(0)
    refused = []
    for _ in range(25):
        damaged = bytearray(whole)
        for place in generator.integers(8, 3000, 6):
            damaged[place] = int(generator.integers(0, 256))
        path.write_bytes(damaged)
        try:
            read_nir(path)
        except InputError as error:
            refused.append(str(error))
    assert refused
    assert not any("\n" in text for text in refused)
