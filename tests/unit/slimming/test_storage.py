"""Storage: what was written survives a crash, what is damaged is not believed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from twentywatts.comparison.bound import Verdict
from twentywatts.errors import InputError
from twentywatts.slimming.candidate import Candidate, Step
from twentywatts.slimming.proof.guard import ClassDrop, Look
from twentywatts.slimming.proof.trial import Score, Trial
from twentywatts.slimming.searching.memory import remembered
from twentywatts.slimming.searching.rungs import FLOAT, Rung
from twentywatts.slimming.searching.storage import open_storage

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
