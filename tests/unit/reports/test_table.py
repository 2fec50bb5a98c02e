import copy
import dataclasses
import io

import pytest
from rich.console import Console
from tests.support.example_comparison import example_comparison

from twentywatts.comparison.result import Baseline, Comparison
from twentywatts.reports.document import comparison_document
from twentywatts.reports.table import comparison_view
from twentywatts.reports.words import baseline_sentence, evidence_text, headline, quantity_text


def shown(view, width=80):
    stream = io.StringIO()
    Console(file=stream, width=width, no_color=True).print(view)
    return stream.getvalue()


@pytest.fixture(scope="module")
def comparison():
    return example_comparison()


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_and_names_everything(comparison, width):
    text = shown(comparison_view(comparison_document(comparison)), width)
    assert max(map(len, text.splitlines())) <= width
    for name in ("this-cpu", "fake-spikes", "fake-array", "human-brain", "loihi2", "Logistic regression", "yardstick"):
        assert name in text
    assert "\x1b[3" not in text
    assert "97.9 % ✓" in text
    assert "97.6 % ?" in text
    assert "93.4 % ✗" in text
    assert "The reference first, then ✓, then ?, then ✗" in text
    assert "Other: known only as one sum" in text
    assert "unsplit" not in text


def test_names_cannot_steer_the_terminal():
    comparison = example_comparison(model_name="[red]x[/red]\x1b[2J\nevil")
    text = shown(comparison_view(comparison_document(comparison)))
    assert "[red]x[/red] [2J evil" in text
    assert "\x1b[2J" not in text


def test_the_headline_names_the_cheapest_that_keeps_the_accuracy(comparison):
    first, *others = headline(comparison_document(comparison))
    assert "int8" in first
    assert "97.9 %" in first
    assert any("Fake spiking chip" in sentence and "too few" in sentence for sentence in others)
    assert any("yardstick" in sentence for sentence in others)


def test_the_yardstick_of_a_batch_is_per_inference(comparison):
    document = copy.deepcopy(comparison_document(comparison))
    document["scenario"]["batch"] = 64
    brain = document["rows"][-1]
    time = quantity_text(brain["latency_s"], "s")
    assert f"in the {time} that the reference takes per inference, a human brain" in headline(document)[-1]
    assert brain["latency_s"]["mid"] * 20 == pytest.approx(brain["energy_j"]["mid"], rel=1e-3)


@pytest.mark.parametrize(("share", "said"), [(0.0, False), (0.49, False), (0.92, True)])
def test_the_headline_says_when_its_joules_are_mostly_guessed(comparison, share, said):
    document = copy.deepcopy(comparison_document(comparison))
    for row in document["rows"]:
        row["guessed_frac"] = share
    assert ("92 % of its joules rest at least in part on guessed figures." in headline(document)) is said


@pytest.mark.parametrize(
    ("evidence", "share", "text"),
    [("L0", 0.234, "L0 23 %"), ("L0", 1e-6, "L0 <1 %"), ("L0", 1.0, "L0 100 %"), ("L1", 0.0, "L1")],
)
def test_the_evidence_says_how_much_is_guessed(evidence, share, text):
    assert evidence_text({"evidence": evidence, "guessed_frac": share}) == text


@pytest.mark.parametrize("metric", ["f1", "mean-error", "top-5"])
def test_a_metric_has_a_name_that_fits_a_sentence(comparison, metric):
    document = copy.deepcopy(comparison_document(comparison))
    document["data"]["metric"] = metric
    text = " ".join(shown(comparison_view(document), 120).split())
    assert {"f1": "the F1 score", "mean-error": "the mean error", "top-5": "the top-5 accuracy"}[metric] in text
    assert "the f1" not in text
    assert "the mean-error" not in text


def with_verdicts(comparison: Comparison, keeps: bool | None) -> Comparison:
    rows = tuple(
        dataclasses.replace(row, keeps_accuracy=keeps) if row.role == "candidate" else row for row in comparison.rows
    )
    return dataclasses.replace(comparison, rows=rows)


def test_the_headline_says_when_no_machine_is_shown_to_keep_it(comparison):
    assert headline(comparison_document(with_verdicts(comparison, False)))[0].startswith("No machine keeps")
    assert "too few" in headline(comparison_document(with_verdicts(comparison, None)))[0]
    alone = dataclasses.replace(comparison, rows=(comparison.rows[0], comparison.rows[-1]))
    assert headline(comparison_document(alone))[0].startswith("No machine was left")


@pytest.mark.parametrize(("good", "words"), [(True, "good enough"), (False, "not within"), (None, "too few samples")])
def test_a_baseline_is_judged_in_words(comparison, good, words):
    baseline: Baseline = dataclasses.replace(comparison.baselines[1], good_enough=good)
    document = comparison_document(dataclasses.replace(comparison, baselines=(baseline,)))
    sentence = baseline_sentence(document["baselines"][0], document)
    assert sentence.startswith("Logistic regression reaches 96.2 %")
    assert words in sentence
    assert any("good enough" in line for line in headline(document)) is (good is True)


def test_what_makes_a_kept_metric_worthless_stands_first(comparison):
    warned = dataclasses.replace(comparison, chance="AT CHANCE: the model is worse than one constant answer")
    document = comparison_document(warned)
    assert headline(document)[0] == "AT CHANCE: the model is worse than one constant answer."
    lines = [line for line in shown(comparison_view(document), 80).splitlines() if line]
    assert lines[lines.index(next(line for line in lines if "AT CHANCE" in line)) - 1].strip().endswith("reported")
    assert "AT CHANCE" in str(warned)
    assert "AT CHANCE" not in shown(comparison_view(comparison_document(comparison)), 80)
