"""The whole job: what is planted is caught, what is killed goes on, what is interrupted is still a result."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.golden import check_schema
from tests.support.slim_models import FEATURES, MIDDLE, WIDE, lucky, network, padded, samples, written
from tests.support.steady import steady

from twentywatts.errors import DataError, InputError, ModelError
from twentywatts.reports.slim_document import slim_document
from twentywatts.scenario import Scenario
from twentywatts.slimming import finish
from twentywatts.slimming import job as job_module
from twentywatts.slimming.candidate import Candidate, Step
from twentywatts.slimming.job import Job, run, slim
from twentywatts.slimming.result import Slimmed
from twentywatts.slimming.searching import lab as lab_module
from twentywatts.slimming.searching import ladder, making
from twentywatts.slimming.searching.lab import Lab
from twentywatts.slimming.searching.rungs import Rung
from twentywatts.slimming.shipping import folder
from twentywatts.uncertain import Interval

GOOD, BAD, SAME = 0.5, 0.75, 0.25  # names of what is planted: the shares that are said to be cut
Planted = Callable[..., Slimmed]


@pytest.fixture(autouse=True)
def _steady(monkeypatch: pytest.MonkeyPatch) -> None:
    steady(monkeypatch)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return written(tmp_path_factory.mktemp("wide"), padded(WIDE), samples())


def planter(files: tuple[Path, Path], patch: pytest.MonkeyPatch) -> Planted:
    """Run a job whose rungs make what is planted; an exception in its place is raised."""

    def go(
        plants: dict[float, bytes | BaseException],
        out: Path | None = None,
        made: list[float] | None = None,
        stages: Mapping[str, Any] | None = None,
    ) -> Any:
        def make(rung: Rung, lab: Lab, time_s: float) -> Candidate:
            if not rung.cut:
                return lab.given.candidate
            if made is not None:
                made.append(rung.cut)
            plant = plants[rung.cut]
            if isinstance(plant, BaseException):
                raise plant
            return lab.given.candidate.then(Step(name="prune", settings={"ratio": rung.cut}), plant)

        def rungs(lab: Lab, *, is_trained: bool) -> Iterator[Rung]:
            yield from (Rung(cut=cut) for cut in (0.0, *plants))

        steady(patch)
        patch.setattr(job_module, "made", make)
        patch.setattr(job_module, "rungs", rungs)
        patch.setattr(job_module, "search", lambda *_: None)
        patch.setattr(folder, "find_spec", lambda name: None)  # torch is slow to load, and has tests of its own
        patch.setattr(finish, "advice_for", lambda *_: ((), ()))  # trains classical methods, and has tests of its own
        for name, stage in (stages or {}).items():
            patch.setattr(finish, name, stage)
        model, data = files
        scenario = Scenario(batch=64)
        return run(
            Job(model=model, data=data, max_drop=0.02, methods=("prune",), out=out, budget_s=600.0, scenario=scenario)
        )

    return go


@pytest.fixture
def planted(files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> Planted:
    return planter(files, monkeypatch)


@pytest.fixture(scope="module")
def both(files: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> tuple[Slimmed, Path]:
    """One good candidate, one that only guard samples give away, one that changes nothing."""
    out = tmp_path_factory.mktemp("both") / "out"
    with pytest.MonkeyPatch.context() as patch:
        return planter(files, patch)({GOOD: padded(MIDDLE), BAD: lucky(), SAME: padded(WIDE, name="renamed")}, out), out


def entry(result: Slimmed, ratio: float) -> Any:
    return next(
        one for one in result.entries if one.candidate.steps and one.candidate.steps[-1].settings["ratio"] == ratio
    )


def test_what_is_faster_and_proved_ships(both: tuple[Slimmed, Path]) -> None:
    result, out = both
    assert result.best.digest == entry(result, 0.5).digest
    assert result.outcome is not None
    assert result.outcome.is_saving
    assert (out / "model.onnx").read_bytes() == result.best.candidate.content
    recipe = json.loads((out / "recipe.json").read_text())
    assert recipe["result_sha256"] == result.best.digest


def test_a_planted_loss_is_caught_although_the_search_samples_show_none(both: tuple[Slimmed, Path]) -> None:
    result, _ = both
    lossy = entry(result, 0.75)
    assert lossy.search.drop == 0
    assert lossy.look is None or lossy.look.score.verdict.keeps is False
    assert result.best is not lossy


def test_a_planted_no_op_is_caught_and_never_asked_about(both: tuple[Slimmed, Path]) -> None:
    result, _ = both
    same = entry(result, 0.25)
    assert "shape" in same.no_effect
    assert same.look is None


def test_the_document_keeps_the_schema(both: tuple[Slimmed, Path]) -> None:
    document = slim_document(both[0])
    check_schema(json.loads(json.dumps(document, allow_nan=False)), "slim-1")
    assert document["best"] in {one["digest"] for one in document["candidates"]}


def test_nothing_is_done_twice_and_the_guard_is_not_asked_again(both: tuple[Slimmed, Path], planted: Planted) -> None:
    first, out = both
    log = (out / ".search" / "log.jsonl").read_text()
    made: list[float] = []
    again = planted({GOOD: padded(MIDDLE), BAD: lucky(), SAME: padded(WIDE, name="renamed")}, out, made)
    assert made == []
    assert [one.digest for one in again.entries] == [one.digest for one in first.entries]
    assert (out / ".search" / "log.jsonl").read_text().count('"look-begun"') == log.count('"look-begun"')


def test_a_loss_alone_leaves_the_model_as_given(planted: Planted) -> None:
    result = planted({BAD: lucky()})
    assert result.best is result.given
    assert entry(result, 0.75).look is not None
    assert result.likely is entry(result, 0.75)
    assert result.outcome is not None
    assert result.outcome.payback.inferences is None


def test_where_a_counter_lives_joules_rank_and_not_time(planted: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    def counted(calls: dict[str, Any], *, count: int) -> dict[str, Interval]:
        given, *others = calls
        spent = {given: 1.0} | dict.fromkeys(others, 2.0)  # quick, but a glutton
        return {digest: Interval(low=joules, mid=joules, high=joules) for digest, joules in spent.items()}

    monkeypatch.setattr(lab_module, "joules", counted)
    result = planted({GOOD: padded(MIDDLE)})
    assert result.best is result.given
    assert entry(result, 0.5).look is None


def test_a_killed_search_goes_on_where_it_was(planted: Planted, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(RuntimeError, match="killed"):
        planted({GOOD: padded(MIDDLE), BAD: RuntimeError("killed")}, out)
    with (out / ".search" / "log.jsonl").open("a") as log:
        log.write('{"kind": "trial", "half a li')
    made: list[float] = []
    result = planted({GOOD: padded(MIDDLE), BAD: lucky()}, out, made)
    assert made == [BAD]
    assert len(result.entries) == 3
    assert any("went on where an earlier search in the same folder stopped" in note for note in result.notes)


def test_a_step_that_fails_is_refused_with_its_reason_and_the_others_go_on(planted: Planted) -> None:
    result = planted({BAD: ModelError("an odd layer"), GOOD: padded(MIDDLE)})
    assert result.best is entry(result, 0.5)
    assert [one.reason for one in result.refused] == ["an odd layer"]


def test_ctrl_c_leaves_the_result_so_far(planted: Planted, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = planted({GOOD: padded(MIDDLE), BAD: KeyboardInterrupt()}, out)
    assert result.is_interrupted
    assert result.best.digest == entry(result, 0.5).digest
    assert (out / "model.onnx").is_file()


def test_times_of_a_result_divide_to_its_savings_and_what_ships_is_fresh(both: tuple[Slimmed, Path]) -> None:
    result, _ = both
    given_s = result.given.time_s
    assert result.outcome is not None
    assert result.outcome.best.saving.mid == pytest.approx(
        result.outcome.given.time_s.mid / result.outcome.best.time_s.mid
    )
    assert result.best.time_s == pytest.approx(result.outcome.best.time_s.mid)
    assert (result.best.timed, result.given.timed) == ("fresh", "fresh")
    for one in result.entries:
        assert one.timed in ("fresh", "turns", "quick")
        assert one.time_s is not None
        assert given_s is not None
        assert given_s / one.time_s == pytest.approx(one.saving)


def test_the_front_holds_nothing_that_another_beats(both: tuple[Slimmed, Path]) -> None:
    result, _ = both
    times = [one.time_s for one in result.front]
    assert times == sorted(times)
    for one in result.entries:
        is_beaten = any(
            other.time_s < one.time_s and other.search.drop <= one.search.drop
            for other in result.entries
            if other.time_s is not None and one.time_s is not None
        )
        assert one.on_front is not is_beaten


def test_a_model_that_guesses_is_told_first_whatever_is_kept(files: tuple[Path, Path], tmp_path: Path) -> None:
    model, _ = files
    found = samples(600)
    y = np.random.default_rng(0).integers(0, 4, 600)
    result = slim(model, (found.inputs["x"], y), budget_s=0, max_drop=0.02, methods="fold")
    assert result.chance.startswith("AT CHANCE")
    assert result.notes[0] == result.chance
    assert str(result).startswith("AT CHANCE")
    assert str(result).count("AT CHANCE") == 1
    check_schema(json.loads(json.dumps(slim_document(result))), "slim-1")


@pytest.mark.parametrize("stage", ["_walked", "_shipped", "step_effects", "advice_for"])
def test_ctrl_c_at_any_stage_of_the_end_leaves_a_result(stage: str, planted: Planted) -> None:
    real, calls = getattr(finish, stage), []

    def interrupted(*given: Any, **named: Any) -> Any:
        calls.append(stage)
        if len(calls) == 1:
            raise KeyboardInterrupt
        return real(*given, **named)

    result = planted({GOOD: padded(MIDDLE)}, stages={stage: interrupted})
    assert result.is_interrupted
    assert result.best is entry(result, GOOD)
    assert not any("no time left" in note for note in result.notes)


def test_a_model_without_normalisations_is_not_called_folded(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted: list[Rung] = []
    monkeypatch.setattr(job_module, "climb", lambda lab, made, rungs, progress: wanted.extend(rungs))
    monkeypatch.setattr(job_module, "search", lambda *_: None)
    with pytest.raises(StopIteration):  # nothing was tried
        slim(*files, budget_s=0, methods=["fold", "prune"])
    assert [rung.text for rung in wanted if rung.is_folded] == ["fold BatchNorm"]
    assert any(rung.is_cut for rung in wanted)


def test_no_budget_tries_what_needs_no_training(files: tuple[Path, Path], tmp_path: Path) -> None:
    model, data = files
    result = slim(model, data, budget_s=0, max_drop=0.02, methods=["fold", "int8", "prune", "distil"])
    assert [one.name for one in result.entries] == ["as given", "int8"]
    assert any("to train on" in note for note in result.notes)
    assert "best: " in str(result)


def test_arrays_serve_as_well_as_files(files: tuple[Path, Path]) -> None:
    model, data = files
    with np.load(data) as arrays:
        pair = (arrays["x"], arrays["y"])
    results = [slim(model, each, budget_s=0, methods="fold") for each in (data, pair, {"x": pair[0], "y": pair[1]})]
    assert len({one.given.search for one in results}) == 1
    with pytest.raises(InputError, match=r"pair \(x, y\)"):
        slim(model, 3)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="no array of numbers"):
        slim(model, (pair[0], [None] * len(pair[1])))


def test_without_torch_nothing_is_trained_and_it_is_said(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, data = files
    other = samples(40, seed=5)
    np.savez(tmp_path / "train.npz", x=other.inputs["x"], y=other.targets)
    monkeypatch.setattr(making, "find_spec", lambda name: None)
    result = slim(model, data, train=tmp_path / "train.npz", budget_s=0, max_drop=0.02, methods="distil")
    assert any("torch is not installed" in note for note in result.notes)
    assert len(result.entries) == 1


@pytest.mark.torch
def test_widths_are_cut_repaired_and_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch")
    monkeypatch.setattr(finish, "advice_for", lambda *_: ((), ()))
    monkeypatch.setattr(
        job_module, "search", lambda *_: None
    )  # the ladder alone, and of it one rung: it ends by itself
    monkeypatch.setattr(ladder, "_FIRST", (0.5,))
    monkeypatch.setattr(ladder, "_CUTS", (0.5,))
    model, data = written(tmp_path, padded(64), samples(900))
    other = samples(400, seed=5)
    np.savez(tmp_path / "train.npz", x=other.inputs["x"], y=other.targets)
    options: dict[str, Any] = {"max_drop": 0.03, "methods": ["prune", "distil"], "batch": 64, "out": tmp_path / "out"}
    result = slim(model, data, train=tmp_path / "train.npz", budget_s=300, **options)
    names = [entry.name for entry in result.entries]
    assert "prune 50 %" in names
    assert any(name.endswith("distil") for name in names)
    assert result.given.name == "as given"
    files = {path.name for path in (tmp_path / "out").iterdir()}
    assert files >= {"model.onnx", "recipe.json", "model.safetensors"}
    assert ("model.pt2" in files) is bool(result.best.candidate.steps)
    monkeypatch.setattr(folder, "find_spec", lambda name: None)
    again = slim(model, data, train=tmp_path / "train.npz", budget_s=300, **options)
    assert [entry.digest for entry in again.entries[: len(names)]] == [entry.digest for entry in result.entries]


def test_other_machines_alone_time_nothing_and_refuse_with_a_reason(files: tuple[Path, Path]) -> None:
    model, data = files
    result = slim(model, data, budget_s=0, max_drop=0.02, on="t4,human-brain", methods="fold")
    assert result.outcome is None
    assert result.given.time_s is None
    chip, brain = result.targets
    assert chip.points
    assert "yardstick" in brain.reason
    check_schema(json.loads(json.dumps(slim_document(result))), "slim-1")


def test_too_few_samples_prove_nothing_and_say_how_many_would(tmp_path: Path) -> None:
    model, data = written(tmp_path, network(), samples(90))
    result = slim(model, data, budget_s=0, methods="int8")
    assert "not provable at this n: 60" in result.unproved
    assert result.guard_count == 0
    assert result.best is result.given


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_drop": -1}, "largest drop"),
        ({"max_drop": float("nan")}, "largest drop"),
        ({"max_drop": 2}, "share"),
        ({"max_drop": "2%"}, "largest drop"),
        ({"budget_s": "2m"}, "budget"),
        ({"budget_s": -1}, "budget"),
        ({"budget_s": float("inf")}, "budget"),
        ({"batch": 10**9}, "batch of 1,000,000,000 is too large"),
        ({"methods": ["prun"]}, "did you mean 'prune'"),
        ({"methods": []}, "no method"),
        ({"metric": "acuracy"}, "metric"),
        ({"on": "loihy"}, "did you mean 'loihi'"),
        ({"train": "missing.npz"}, "missing.npz"),
    ],
)
def test_bad_options_are_refused(options: dict[str, Any], words: str, files: tuple[Path, Path]) -> None:
    with pytest.raises(InputError, match=words):
        slim(*files, **options)


def test_a_folder_for_samples_is_told_as_a_folder(files: tuple[Path, Path], tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is a folder, wanted an \.npz"):
        slim(files[0], tmp_path)


def test_weights_that_are_no_numbers_and_a_folder_of_somebody_else_are_refused(tmp_path: Path) -> None:
    broken = np.full((FEATURES, 8), np.nan, dtype=np.float32)
    model, data = written(tmp_path, network(broken, np.ones((8, 4), dtype=np.float32)), samples(60))
    with pytest.raises(DataError, match="not numbers"):
        slim(model, data, budget_s=0)
    with pytest.raises(InputError, match="holds other files"):
        slim(model, data, budget_s=0, out=tmp_path)
    with pytest.raises(InputError, match="not a folder"):
        slim(model, data, budget_s=0, out=model)
    for nothing in ("", 5, b"out", [tmp_path]):
        with pytest.raises(InputError, match="takes the name of a folder"):
            slim(model, data, budget_s=0, out=nothing)  # type: ignore[arg-type]
