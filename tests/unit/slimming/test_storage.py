"""Storage: what was written survives a crash, what is damaged is not believed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from twentywatts.comparison.bound import Verdict
from twentywatts.errors import InputError
from twentywatts.slimming.candidate import Candidate, Step
from twentywatts.slimming.proof.guard import ClassDrop, Look
from twentywatts.slimming.proof.trial import Score, Trial
from twentywatts.slimming.searching.memory import remembered
from twentywatts.slimming.searching.rungs import FLOAT, Rung
from twentywatts.slimming.searching.storage import held, open_storage

QUESTION = {"model": "a", "max_drop": 0.01, "axes": {"t": 5}}
SCORE = Score(
    value=0.9, drop=0.01, verdict=Verdict(keeps=None, bound=0.02, sentence="?"), sample_count=9, lost=1, gained=0
)


def test_records_come_back_in_order_and_a_torn_line_is_cut_off(tmp_path: Path) -> None:
    storage = open_storage(tmp_path, QUESTION)
    for number in range(3):
        storage.append("trial", {"number": number})
    log = tmp_path / ".search" / "log.jsonl"
    log.write_bytes(log.read_bytes() + b'{"kind": "trial", "num')
    again = open_storage(tmp_path, QUESTION)
    again.append("trial", {"number": 3})
    assert [record["number"] for record in again.records("trial")] == [0, 1, 2, 3]


def test_another_question_is_refused_unless_it_begins_again(tmp_path: Path) -> None:
    open_storage(tmp_path, QUESTION).append("trial", {"number": 1})
    with pytest.raises(InputError, match="max_drop"):
        open_storage(tmp_path, {**QUESTION, "max_drop": 0.02})
    anew = open_storage(tmp_path, {**QUESTION, "max_drop": 0.02}, anew=True)
    assert not list(anew.records("trial"))


def test_content_is_checked_against_its_digest(tmp_path: Path) -> None:
    storage = open_storage(tmp_path, QUESTION)
    digest = storage.keep(b"model")
    assert storage.content(digest) == b"model"
    (tmp_path / ".search" / "content" / f"{digest}.onnx").write_bytes(b"other")
    assert storage.content(digest) is None
    assert storage.content("0" * 64) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_bad_input(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot write"):
        open_storage(tmp_path / "out", QUESTION)
    tmp_path.chmod(0o700)


def test_a_file_in_the_way_is_bad_input(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(InputError, match="cannot write"):
        open_storage(tmp_path / "out", QUESTION)


def test_trials_looks_and_time_are_remembered(tmp_path: Path) -> None:
    given = Candidate(content=b"given")
    pruned = given.then(Step(name="prune", settings={"ratio": 0.5}, seed=2, notes=("a note",)), b"pruned")
    rung = Rung(cut=0.5, cuts={"a": 0.25}, epochs=3)
    trial = Trial(rung=rung, floating=pruned, shipped=pruned, packing=FLOAT, score=SCORE, time_s=1e-5, saving=2.0)
    worst = ClassDrop(label=1, sample_count=3, before=3, after=2)
    for _ in range(2):  # two runs of one search
        memory = remembered(open_storage(tmp_path, QUESTION))
        memory.remember(trial)
        memory.spend(5.0, 2.0)
        memory.spend(7.0, 3.0)
    memory.announce(pruned.digest)
    memory.seen(Look(digest=pruned.digest, score=SCORE, worst=worst))
    again = remembered(open_storage(tmp_path, QUESTION))
    found = list(again.recalled())[-1]
    assert (found.shipped.digest, found.shipped.steps, found.score) == (pruned.digest, pruned.steps, SCORE)
    assert (found.saving, found.rung, found.packing) == (2.0, rung, FLOAT)
    assert again.looks[pruned.digest].worst == worst
    assert again.spent == (14.0, 6.0)


def test_a_request_is_found_by_its_key() -> None:
    rung = Rung(
        is_folded=True, cut=0.5, through_norms=True, rank_frac=0.9, zeros="2:4", epochs=3, is_narrow=True, seed=4
    )
    assert Rung.of(rung.key) == rung
    with pytest.raises((ValueError, KeyError, TypeError)):
        Rung.of("{}")


def test_a_record_whose_model_is_lost_is_tried_again(tmp_path: Path) -> None:
    candidate = Candidate(content=b"given")
    trial = Trial(rung=Rung(), floating=candidate, shipped=candidate, packing=FLOAT, score=SCORE)
    remembered(open_storage(tmp_path, QUESTION)).remember(trial)
    for path in (tmp_path / ".search" / "content").iterdir():
        path.unlink()
    assert not list(remembered(open_storage(tmp_path, QUESTION)).recalled())


def kept(folder: Path) -> Path:
    """Write a search with one trial, one look and its time into a folder; return its log."""
    given = Candidate(content=b"given")
    trial = Trial(rung=Rung(), floating=given, shipped=given, packing=FLOAT, score=SCORE, time_s=1e-5, saving=1.0)
    memory = remembered(open_storage(folder, QUESTION))
    memory.remember(trial)
    memory.seen(Look(digest=given.digest, score=SCORE, worst=ClassDrop(label=1, sample_count=3, before=3, after=2)))
    memory.spend(5.0, 2.0)
    return folder / ".search" / "log.jsonl"


def recalled(folder: Path) -> tuple[int, int, float]:
    memory = remembered(open_storage(folder, QUESTION))
    return len(list(memory.recalled())), len(memory.looks), memory.spent[0]


SPENT = [
    *(f'{{"kind": "spent", "run": {run}, "time_s": 1, "cpu_s": 1}}' for run in ('"x"', "[1]", "1e400", "9" * 30, -1)),
    *(f'{{"kind": "spent", "run": 1, "time_s": {time}, "cpu_s": 1}}' for time in ('"x"', "NaN", "-1", "1e400", "null")),
    '{"kind": "spent"}',
    "[" * 100_000,
    '{"a":' * 100_000,
    "9" * 10_000,
    "\udcff",
]


@pytest.mark.parametrize("line", SPENT, ids=range(len(SPENT)))
def test_a_line_that_is_no_record_of_ours_is_left_out(tmp_path: Path, line: str) -> None:
    log = kept(tmp_path)
    log.write_bytes(log.read_bytes() + line.encode(errors="surrogateescape") + b"\n")
    assert recalled(tmp_path) == (1, 1, 5.0)


def leaves(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the ways to every value inside a record."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way] * bool(way) + [found for key, item in inside for found in leaves(item, (*way, key))]


@pytest.mark.parametrize(
    "odd", [None, True, "x", "", 0, -1, 10**30, float("nan"), float("inf"), [], ["x"], {}, {"a": []}]
)
def test_a_record_with_any_field_of_another_kind_is_a_record_or_none(tmp_path: Path, odd: object) -> None:
    log = kept(tmp_path)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    for index, line in enumerate(lines[1:], 1):
        for way in leaves(line):
            changed = json.loads(json.dumps(line))
            place = changed
            for key in way[:-1]:
                place = place[key]
            place[way[-1]] = odd
            log.write_text("".join(json.dumps(one) + "\n" for one in [*lines[:index], changed, *lines[index + 1 :]]))
            memory = remembered(open_storage(tmp_path, QUESTION))
            for trial in memory.recalled():  # whatever is believed can be told and compared
                assert trial.key.startswith(trial.packing)
                assert trial.rung.text
                assert trial.score.drop < 1e300
                assert trial.score.sample_count >= 1
                assert min(trial.score.lost or 0, trial.score.gained or 0) >= 0
                assert (trial.saving or 1.0) > 0
                assert all(step.text for step in trial.shipped.steps)
            assert all(look.worst is None or look.worst.drop <= 2**63 for look in memory.looks.values())
            assert 0 <= memory.spent[0] < 1e300


@pytest.mark.parametrize(
    "key", ["x", "fp99 {}", "fp32 {}", "fp32 []", "fp32 " + "[" * 50_000, "fp32 " + Rung(cut=1.5).key]
)
def test_a_request_that_no_search_makes_is_not_believed(tmp_path: Path, key: str) -> None:
    log = kept(tmp_path)
    lines = log.read_text().splitlines()
    lines[1] = json.dumps({**json.loads(lines[1]), "key": key})
    log.write_text("\n".join(lines) + "\n")
    assert recalled(tmp_path) == (0, 1, 5.0)


def linked(inside: str) -> Callable[[Path, Path], None]:
    def link(folder: Path, outside: Path) -> None:
        path = folder / inside
        if path.exists():
            path.rename(outside / "moved")
        path.symlink_to(outside / ("content" if inside.endswith("content") else "victim"))

    return link


def piped(folder: Path, outside: Path) -> None:
    (folder / ".search" / "log.jsonl").unlink()
    os.mkfifo(folder / ".search" / "log.jsonl")


def swollen(folder: Path, outside: Path) -> None:
    os.truncate(folder / ".search" / "log.jsonl", 2**40)  # a hole: it takes no room on the disk


@pytest.mark.parametrize(
    "damage", [linked(".search"), linked(".search/content"), linked(".search/log.jsonl"), piped, swollen]
)
@pytest.mark.parametrize("anew", [False, True])
def test_no_link_is_followed_and_only_plain_files_are_opened(
    tmp_path: Path, damage: Callable[[Path, Path], None], anew: bool
) -> None:
    folder, outside = tmp_path / "folder", tmp_path / "outside"
    folder.mkdir()
    (outside / "content").mkdir(parents=True)
    (outside / "victim").write_text("precious")
    kept(folder)
    damage(folder, outside)
    before = sorted(outside.rglob("*"))
    with pytest.raises(InputError, match=r"is a link|is not the log of a search"):
        open_storage(folder, QUESTION, anew=anew)
    assert sorted(outside.rglob("*")) == before
    assert (outside / "victim").read_text() == "precious"


def test_models_are_plain_files_of_the_folder(tmp_path: Path) -> None:
    storage = open_storage(tmp_path, QUESTION)
    digest = storage.keep(b"model")
    path = tmp_path / ".search" / "content" / f"{digest}.onnx"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert storage.content(digest) is None
    path.unlink()
    os.mkfifo(path)
    assert storage.content(digest) is None  # and does not wait for somebody to write
    for name in ("../../elsewhere", "a\0b", "a" * 10_000, ""):
        assert storage.content(name) is None


def test_one_search_at_a_time_in_a_folder(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    with held(tmp_path), pytest.raises(InputError, match="another search is under way in"), held(tmp_path):
        pass
    with held(tmp_path):  # the first let go of it
        pass


def test_a_torn_line_is_cut_off_without_writing_the_log_anew(tmp_path: Path) -> None:
    log = kept(tmp_path)
    whole = log.read_bytes()
    log.write_bytes(whole + b'{"kind": "tri')
    place = log.stat().st_ino
    assert recalled(tmp_path) == (1, 1, 5.0)
    assert (log.read_bytes(), log.stat().st_ino) == (whole, place)
