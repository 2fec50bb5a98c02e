"""The guard: disjoint sets, an honest bound, and a walk that ends at the first candidate that is not proved."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twentywatts.comparison.bound import Verdict, judge
from twentywatts.comparison.metrics import metric_of
from twentywatts.comparison.overlap import apart
from twentywatts.comparison.search import Goal
from twentywatts.errors import DataError
from twentywatts.readers.samples import Samples
from twentywatts.slimming.proof.guard import Look, look, parted, provable, walk
from twentywatts.slimming.proof.trial import Score

GOAL = Goal(metric=metric_of("accuracy"), max_drop=0.01)


def numbered(count: int, classes: int = 3) -> Samples:
    return Samples(name="data", inputs={"x": np.arange(count)}, targets=np.arange(count) % classes)


@given(st.integers(4, 400), st.integers(0, 5), st.integers(1, 7))
def test_every_sample_is_in_one_set_and_both_hold_two(count: int, seed: int, classes: int) -> None:
    parts = parted(numbered(count, classes), seed=seed, trained=False)
    search, guard = parts.tuning.inputs["x"], parts.reported.inputs["x"]
    assert sorted([*search, *guard]) == list(range(count))
    assert min(len(search), len(guard)) >= 2
    again = parted(numbered(count, classes), seed=seed, trained=True)
    assert np.array_equal(again.reported.inputs["x"], guard)


def test_classes_are_parted_alike_and_the_search_is_bounded() -> None:
    parts = parted(numbered(900), seed=1, trained=False)
    assert set(np.bincount(parts.tuning.targets)) == {100}
    assert parted(numbered(30_000), seed=1, trained=False).tuning.count == 1000


@pytest.mark.parametrize("count", [1, 2, 3])
def test_too_few_samples_are_refused(count: int) -> None:
    with pytest.raises(DataError, match="too few"):
        parted(numbered(count, 2), seed=0, trained=False)


def test_what_cannot_be_proved_says_how_many_samples_it_takes() -> None:
    assert provable(GOAL, 2000) == ""
    text = provable(GOAL, 100)
    assert "not provable at this n: 100" in text
    needed = int(text.split("about ")[1].split()[0].replace(",", ""))
    assert provable(GOAL, needed) == ""
    assert "cannot be proved with any number" in provable(replace(GOAL, max_drop=0.0), 10_000)
    resampled = replace(GOAL, metric=metric_of("mean-error"))
    assert provable(resampled, 200) == ""
    assert "resampling" in provable(resampled, 10)


@pytest.mark.parametrize(("count", "points"), [(100, 1.0), (431, 0.5), (1000, 0.1)])
def test_what_it_takes_is_enough_when_it_is_brought(count: int, points: float) -> None:
    """As many samples in all as the sentence says, parted as ever, prove it; and so does the limit that it offers."""
    goal = replace(GOAL, max_drop=points / 100)
    text = provable(goal, count)
    needed, in_all = (int(text.split(word)[0].split()[-1].replace(",", "")) for word in (" guard samples, ", " in all"))
    guarding = parted(numbered(in_all), seed=0, trained=False).reported.count
    assert guarding == pytest.approx(needed, abs=1)
    assert provable(goal, guarding) == ""
    offered = float(text.split("limit of ")[1].split()[0])
    assert provable(replace(GOAL, max_drop=offered / 100), count) == ""
    assert provable(replace(GOAL, max_drop=offered / 110), count) != ""


def test_what_stands_in_both_files_is_not_trained_on() -> None:
    data = numbered(30)
    train = Samples(name="train", inputs={"x": np.arange(20, 50)}, targets=np.zeros(30, int))
    kept, note = apart(train, data)
    assert kept.inputs["x"].tolist() == list(range(30, 50))
    assert "10 of 30" in note
    same, nothing = apart(numbered(30).take(np.arange(0)), data)
    assert (same.count, nothing) == (0, "")
    with pytest.raises(DataError, match="every sample"):
        apart(numbered(20), data)


def scores(right: np.ndarray, targets: np.ndarray) -> np.ndarray:
    return np.eye(3)[np.where(right, targets, (targets + 1) % 3)]


def test_a_planted_loss_is_seen_with_the_class_that_bears_it() -> None:
    targets = np.arange(1200) % 3
    given_right, right = np.ones(1200, bool), np.ones(1200, bool)
    right[np.flatnonzero(targets == 2)[:30]] = False
    found = look("d", GOAL, scores(given_right, targets), scores(right, targets), targets)
    assert not found.is_proved
    assert (found.score.lost, found.score.gained) == (30, 0)
    assert found.worst is not None
    assert (found.worst.label, found.worst.before - found.worst.after) == (2, 30)
    assert found.worst.drop == pytest.approx(30 / 400)
    same = look("d", GOAL, scores(given_right, targets), scores(given_right, targets), targets)
    assert same.is_proved


def judged(digest: str, lost: int) -> Look:
    verdict = judge(lost, 0, 1200, 0.01)
    return Look(digest=digest, score=Score(value=0.0, drop=lost / 1200, verdict=verdict, sample_count=1200))


@given(st.lists(st.booleans(), max_size=8))
def test_the_walk_ends_at_the_first_that_is_not_proved(proved: list[bool]) -> None:
    losses = {str(place): 0 if is_proved else 60 for place, is_proved in enumerate(proved)}
    asked: list[str] = []

    def ask(digest: str) -> Look:
        asked.append(digest)
        return judged(digest, losses[digest])

    found = walk(list(losses), ask)
    good = proved.index(False) if False in proved else len(proved)
    assert found.accepted == (str(good - 1) if good else None)
    assert asked == list(losses)[: good + 1]


def test_a_fair_coin_accepts_what_breaks_the_limit_at_most_once_in_twenty() -> None:
    random = np.random.default_rng(0)
    broken = 0
    for _ in range(200):
        losses = random.binomial(1200, [0.0101, 0.0105, 0.012])  # every candidate breaks the limit of 1 point
        found = walk(["a", "b", "c"], lambda digest, own=losses: judged(digest, int(own["abc".index(digest)])))
        broken += found.accepted is not None
    assert broken <= 15  # 10 are expected at most; more than 15 has a chance of 4 %


def test_no_verdict_is_no_proof() -> None:
    unsure = Verdict(keeps=None, bound=0.5, sentence="")
    found = walk(["a"], lambda d: Look(digest=d, score=Score(value=0, drop=0, verdict=unsure, sample_count=1)))
    assert found.accepted is None
