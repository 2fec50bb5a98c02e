import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.example_comparison import example_comparison

from twentywatts.comparison.text import (
    accuracy_text,
    is_share,
    plain_table,
    points_text,
    ratio_interval_text,
    ratio_text,
    setting_text,
)
from twentywatts.errors import clean
from twentywatts.uncertain import Interval

positive = st.floats(min_value=1e-12, max_value=1e12)


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (0.05, "20× less"),
        (3.0, "3× more"),
        (1.0, "the same"),
        (1.02, "the same"),
        (1 / 1234, "1,200× less"),
        (0, "nothing"),
    ],
)
def test_ratios_in_words(ratio, text):
    assert ratio_text(ratio) == text


def test_intervals_of_ratios():
    assert ratio_interval_text(Interval(low=0.05, mid=0.1, high=0.2)) == "5–20×"
    assert ratio_interval_text(Interval(low=2, mid=3, high=5)) == "2–5×"
    assert ratio_interval_text(Interval(low=0.5, mid=1, high=3)) == "2× less to 3× more"
    assert ratio_interval_text(Interval(low=1, mid=1, high=1)) == ""
    assert ratio_interval_text(Interval(low=0.99, mid=1, high=1.01)) == ""
    assert ratio_interval_text(Interval(low=1 / 1.64, mid=1 / 1.6, high=1 / 1.56)) == "1.56–1.64×"
    assert ratio_interval_text(Interval(low=1.601, mid=1.602, high=1.603)) == ""


@given(positive)
def test_a_ratio_and_its_inverse_say_the_same_the_other_way_round(ratio):
    there, back = ratio_text(ratio), ratio_text(1 / ratio)
    assert {there.split()[-1], back.split()[-1]} in ({"less", "more"}, {"same"})
    if there != "the same":
        value = float(there.split("×")[0].replace(",", ""))
        assert math.isclose(value, max(ratio, 1 / ratio), rel_tol=0.06)


@pytest.mark.parametrize(
    "name", ["accuracy", "acc", "top-5", "top_k_accuracy_score", "f1", "f1_score", "balanced_accuracy"]
)
def test_shares_are_known_by_their_name(name: str) -> None:
    assert is_share(name)


@pytest.mark.parametrize("name", ["accumulated_cost", "acceleration", "topology_distance", "mean-error", "r2"])
def test_a_name_that_only_begins_like_a_share_is_none(name: str) -> None:
    assert not is_share(name)


def test_metrics_and_settings_for_people():
    assert accuracy_text(0.9812, "accuracy") == "98.1 %"
    assert accuracy_text(0.9812, "top-5") == "98.1 %"
    assert accuracy_text(0.01234, "mean-error") == "0.0123"
    assert accuracy_text(None, "accuracy") == "–"
    assert points_text(0.01, "accuracy") == "1 point"
    assert points_text(0.883, "f1") == "88 points"
    assert setting_text({"timesteps": 8}) == "T=8"
    assert setting_text({"adc_bits": 0, "weight_bits": 4}) == "no ADC, 4-bit weights"
    assert setting_text({"precision": "int8"}) == ""
    assert setting_text({"my_key": 3}) == "my key 3"


@given(st.text())
def test_clean_texts_hold_no_control_letters(text):
    assert clean(text).isprintable()


def test_the_plain_table_is_aligned_and_complete():
    lines = plain_table(example_comparison(model_name="a\x1b[0m\nb")).splitlines()
    assert lines[0].startswith("a [0m b on digits.npz")
    start = lines[2].index("accuracy")
    assert lines[4][start:].startswith("98.1 %")
    text = "\n".join(lines)
    for word in ("fake-spikes", "human-brain", "logistic regression", "loihi2", "training is not counted", "reference"):
        assert word in text
    assert str(example_comparison()) == plain_table(example_comparison())
