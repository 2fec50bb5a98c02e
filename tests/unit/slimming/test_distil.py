"""Distillation: it lowers the loss, the same seed gives the same bytes, and what cannot be learned from is refused."""

from __future__ import annotations

import itertools
import types
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from tests.support.onnx_models import constant, info, model_of

from twentywatts.errors import DataError, InputError, RefusedError
from twentywatts.readers.samples import Samples
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.learning.distil import Schedule, distil, is_too_short, planted_zeros

torch = pytest.importorskip("torch")
loop = pytest.importorskip("twentywatts.slimming.learning.training.loop")
pytestmark = pytest.mark.torch

COUNT, WIDTH, CLASSES = 96, 6, 3
SHORT = Schedule(epochs=8, batch=32, learning_rate=1e-2)


def array(*shape: int, seed: int = 0) -> NDArray[Any]:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def network(hidden: int = 8, *, seed: int = 0, end: str = "", outputs: int = CLASSES, batch: Any = "n") -> Candidate:
    """A dense network with a normalisation; ``end`` names what follows its scores."""
    nodes = [
        helper.make_node("MatMul", ["x", "w0"], ["a"]),
        helper.make_node("BatchNormalization", ["a", "s", "b", "m", "v"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("Gemm", ["r", "w1", "b1"], ["scores"]),
        helper.make_node(end or "Identity", ["scores"], ["y"]),
    ]
    arrays = {"w0": array(WIDTH, hidden, seed=seed), "s": np.ones(hidden, np.float32), "b": array(hidden, seed=seed)}
    arrays |= {"m": np.zeros(hidden, np.float32) + 0.1, "v": np.ones(hidden, np.float32) * 2}
    arrays |= {"w1": array(hidden, outputs, seed=seed + 1), "b1": array(outputs, seed=seed)}
    stored = [constant(name, value, np.float32) for name, value in arrays.items()]
    model = model_of(nodes, [info("x", [batch, WIDTH])], ["y"], stored)
    return Candidate(content=model.SerializeToString())


def samples(targets: NDArray[Any] | None = None, count: int = COUNT) -> Samples:
    x = array(count, WIDTH, seed=7)
    wanted = x[:, :CLASSES].argmax(axis=1) if targets is None else targets
    return Samples(name="train.npz", inputs={"x": x}, targets=wanted)


def losses(candidate: Candidate) -> tuple[float, float]:
    settings = candidate.steps[-1].settings
    return float(settings["loss_before"]), float(settings["loss_after"])


def weights(candidate: Candidate) -> dict[str, NDArray[Any]]:
    model = onnx.load_from_string(candidate.content)
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


TEACHER = network(16, seed=3)


def test_a_student_comes_closer_to_its_teacher_and_the_same_seed_gives_the_same_bytes() -> None:
    student = network()
    state = torch.random.get_rng_state()
    threads = torch.get_num_threads()
    told: list[float] = []
    found = distil(student, teacher=TEACHER, samples=samples(), schedule=SHORT, progress=lambda t, s: told.append(s))
    again = distil(student, teacher=TEACHER, samples=samples(), schedule=SHORT)
    other = distil(student, teacher=TEACHER, samples=samples(), schedule=replace(SHORT, seed=1))
    before, after = losses(found)
    assert after < 0.8 * before
    assert found.content == again.content != other.content
    assert found.parent == student.digest
    assert told == sorted(told)
    assert torch.equal(state, torch.random.get_rng_state())
    assert torch.get_num_threads() == threads


def test_statistics_follow_the_samples() -> None:
    found = weights(distil(network(), teacher=TEACHER, samples=samples(), schedule=replace(SHORT, epochs=30)))
    inner = samples().inputs["x"] @ found["w0"]
    np.testing.assert_allclose(found["m"], inner.mean(axis=0), atol=0.25)
    np.testing.assert_allclose(found["v"], inner.var(axis=0), rtol=0.35)


@pytest.mark.parametrize(
    ("end", "outputs", "targets"),
    [
        ("Softmax", CLASSES, None),
        ("LogSoftmax", CLASSES, None),
        ("Sigmoid", 1, (array(COUNT) > 0).astype(np.int64)),
        ("Sigmoid", CLASSES, (array(COUNT, CLASSES) > 0).astype(np.float32)),
        ("", 1, array(COUNT, seed=5)),
        ("", 2, array(COUNT, 2, seed=5)),
        ("Tanh", 1, np.zeros(COUNT, np.int64)),
    ],
)
def test_every_kind_of_answer_is_learned(end: str, outputs: int, targets: NDArray[Any] | None) -> None:
    teacher = network(16, seed=3, end=end, outputs=outputs)
    found = distil(network(end=end, outputs=outputs), teacher=teacher, samples=samples(targets), schedule=SHORT)
    before, after = losses(found)
    assert after < 0.8 * before
    assert not found.steps[-1].notes


def test_scores_are_compared_before_a_softmax() -> None:
    schedule = replace(SHORT, hard_frac=0.0)
    plain = distil(network(), teacher=TEACHER, samples=samples(), schedule=schedule)
    ended = network(16, seed=3, end="Softmax")
    found = distil(network(end="Softmax"), teacher=ended, samples=samples(), schedule=schedule)
    for name, value in weights(plain).items():
        np.testing.assert_array_equal(weights(found)[name], value)


def test_the_teacher_alone_is_learned_from_where_targets_are_no_classes_of_the_model() -> None:
    far = samples(np.full(COUNT, CLASSES, dtype=np.int64))
    (note,) = distil(network(), teacher=TEACHER, samples=far, schedule=SHORT).steps[-1].notes
    assert "outside of the model's classes" in note


def test_features_of_another_width_are_matched() -> None:
    schedule = replace(SHORT, features=("r",), feature_weight=5.0, hard_frac=0.0)
    plain = distil(network(), teacher=TEACHER, samples=samples(), schedule=replace(schedule, features=()))
    found = distil(network(), teacher=TEACHER, samples=samples(), schedule=schedule)

    def unlike(candidate: Candidate) -> float:
        from twentywatts.slimming.learning.trainable import trainable
        from twentywatts.slimming.learning.training.losses import likeness

        x = {"x": torch.from_numpy(samples().inputs["x"])}
        own, given = (trainable(c.content)(x, ("r",))["r"] for c in (candidate, TEACHER))
        return float(likeness(own, given).detach())

    assert unlike(found) < unlike(plain)
    with pytest.raises(DataError, match="no tensor 'nowhere'"):
        distil(network(), teacher=TEACHER, samples=samples(), schedule=replace(SHORT, features=("nowhere",)))


def test_planted_zeros_stay_zero() -> None:
    model = onnx.load_from_string(network().content)
    for tensor in model.graph.initializer:
        if tensor.name == "w0":
            value = numpy_helper.to_array(tensor) * (array(WIDTH, 8, seed=9) > 0)
            tensor.CopyFrom(numpy_helper.from_array(value, "w0"))
    student = Candidate(content=model.SerializeToString())
    keep = planted_zeros(student.content)
    assert set(keep) == {"w0"}
    found = weights(distil(student, teacher=TEACHER, samples=samples(), schedule=SHORT, keep=keep))["w0"]
    assert np.array_equal(found != 0, keep["w0"])
    free = weights(distil(student, teacher=TEACHER, samples=samples(), schedule=SHORT))["w0"]
    assert (free != 0).all()
    with pytest.raises(DataError, match="no weight 'w9'"):
        distil(student, teacher=TEACHER, samples=samples(), schedule=SHORT, keep={"w9": keep["w0"]})


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["x", "y"])
def test_samples_that_are_no_numbers_are_refused(value: float, where: str) -> None:
    data = samples(array(COUNT))
    (data.inputs["x"] if where == "x" else data.targets).reshape(-1)[5] = value
    with pytest.raises(DataError, match=f"'train.npz': '{where}' holds NaN"):
        distil(network(outputs=1), teacher=network(outputs=1), samples=data)


def test_a_training_that_does_not_help_gives_the_weights_back_with_a_note() -> None:
    data = samples(array(COUNT, 1))
    student = network(outputs=1)
    wild = replace(SHORT, learning_rate=1e25, epochs=2)
    found = distil(student, teacher=network(16, seed=3, outputs=1), samples=data, schedule=wild)
    assert all(np.isfinite(value).all() for value in weights(found).values())
    before, after = losses(found)
    assert after <= before
    assert any("did not lower the loss" in note for note in found.steps[-1].notes)


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that moves a millisecond whenever it is looked at, on busy machines too."""
    ticks = itertools.count()
    monkeypatch.setattr(loop, "time", types.SimpleNamespace(monotonic=lambda: next(ticks) / 1000))


@pytest.mark.usefixtures("steady")
def test_what_cannot_end_by_its_deadline_is_given_up_at_once() -> None:
    long = replace(SHORT, epochs=100_000, deadline_s=0.1)
    found = distil(network(), teacher=network(seed=1), samples=samples(count=20_000), schedule=long)
    assert is_too_short(found, long, 20_000)
    assert "it would take" in found.steps[-1].notes[0]
    assert found.steps[-1].settings["epochs"] == 0


@pytest.mark.usefixtures("steady")
def test_a_deadline_ends_training_and_leaves_weights_that_are_no_worse() -> None:
    now = replace(SHORT, deadline_s=0.0)
    found = distil(network(), teacher=TEACHER, samples=samples(), schedule=now)
    assert found.steps[-1].settings["epochs"] == 0
    assert found.content == network().content
    assert any("deadline" in note for note in found.steps[-1].notes)
    soon = replace(SHORT, epochs=100_000, deadline_s=3.0)
    found = distil(network(), teacher=TEACHER, samples=samples(), schedule=soon)
    assert 0 < int(found.steps[-1].settings["epochs"]) < 100_000
    before, after = losses(found)
    assert after < before


def test_a_graph_that_runs_one_sample_at_a_time_is_trained() -> None:
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Reshape", ["h", "flat"], ["y"]),
    ]
    stored = [constant("w", array(WIDTH, CLASSES), np.float32), constant("flat", [1, CLASSES])]
    model = model_of(nodes, [info("x", [1, WIDTH])], ["y"], stored)
    student = Candidate(content=model.SerializeToString())
    found = distil(student, teacher=TEACHER, samples=samples(count=24), schedule=replace(SHORT, batch=8))
    before, after = losses(found)
    assert after < before


def test_models_that_do_not_answer_alike_are_refused() -> None:
    with pytest.raises(RefusedError, match=r"answers with shape \(2,\), its teacher with \(3,\)"):
        distil(network(outputs=2), teacher=TEACHER, samples=samples())


def test_samples_that_do_not_fit_are_refused() -> None:
    data = samples()
    with pytest.raises(DataError, match="input 'x' has shape"):
        distil(network(), teacher=TEACHER, samples=replace(data, inputs={"x": data.inputs["x"][:, :4]}))
    with pytest.raises(DataError, match="no samples"):
        distil(network(), teacher=TEACHER, samples=data.take(np.arange(0)))
    with pytest.raises(DataError, match="'x' holds 96 samples, 'y' 5"):
        distil(network(), teacher=TEACHER, samples=replace(data, targets=data.targets[:5]))


@pytest.mark.parametrize(
    "change",
    [
        {"epochs": 0},
        {"batch": True},
        {"learning_rate": 0.0},
        {"temperature": float("nan")},
        {"hard_frac": 1.5},
        {"deadline_s": -1.0},
        {"feature_weight": -1.0},
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(change))):
        distil(network(), teacher=TEACHER, samples=samples(), schedule=replace(SHORT, **change))


def test_the_optimiser_is_the_published_algorithm() -> None:
    from twentywatts.slimming.learning.training.adam import Adam

    start, rate = array(4, 3).astype(np.float64), 0.03
    own, mean, square = torch.nn.Parameter(torch.from_numpy(start.copy())), 0.0, 0.0
    adam, wanted = Adam([own]), start
    for count in range(1, 7):  # not torch's own: making it takes seconds of imports
        gradient = array(4, 3, seed=count).astype(np.float64)
        own.grad = torch.from_numpy(gradient)
        adam.step(rate)
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        hat, unit = mean / (1 - 0.9**count), square / (1 - 0.999**count)
        wanted = wanted - rate * hat / (np.sqrt(unit) + 1e-8)
    np.testing.assert_allclose(own.detach().numpy(), wanted, rtol=1e-9)
