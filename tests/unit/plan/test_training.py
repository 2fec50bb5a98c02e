"""Training: published arithmetic, properties, and what cannot be planned."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import twentywatts as tw
from twentywatts.errors import InputError, MachineError, RefusedError
from twentywatts.plan.operations import attention_operations, training_operations
from twentywatts.plan.utilisation import LARGEST_MFU_FRAC, expected_mfu_frac, mfu_input

A100 = "a100-sxm-80"


def test_operations_are_those_that_papers_print() -> None:
    assert training_operations(175e9, 300e9) == pytest.approx(3.15e23)  # GPT-3: 3.14e23
    assert training_operations(405e9, 15.6e12) == pytest.approx(3.8e25, rel=0.01)  # Llama 3 405B: 3.8e25


def test_attention_is_what_palm_counts() -> None:
    # 45.7 % without and 46.2 % with attention over 2,048 tokens of PaLM 540B: 1.1 %, not causal, on a shape of its own
    share = attention_operations(540e9, 1.0, 2048.0) / training_operations(540e9, 1.0)
    assert 0.5 < 2 * share / (0.462 / 0.457 - 1) < 2


def test_llama_2_70b_as_published() -> None:
    """1,720,320 chip hours were published; the hours at its own utilisation follow from the operations alone."""
    plan = tw.plan.training(69e9, 2e12, A100, mfu=0.4285)
    useful = next(item for item in plan.inputs if item.key == "useful_time_frac").interval.mid
    assert plan.amount("chip_time_s").mid / 3600 * useful == pytest.approx(1_720_320, rel=0.01)


def test_parts_sum_to_the_total_and_chips_divide_the_time() -> None:
    plan = tw.plan.training(70e9, 2e12, A100, chips=2048)
    causes, _ = plan.tables
    assert sum(row.numbers["energy_j"].mid for row in causes.rows) == pytest.approx(plan.amount("energy_j").mid)
    assert sum(row.numbers["share_frac"].mid for row in causes.rows) == pytest.approx(1.0)
    assert plan.amount("time_s").mid * 2048 == pytest.approx(plan.amount("chip_time_s").mid)
    energy = plan.amount("power_w").mid * plan.amount("time_s").mid
    assert energy == pytest.approx(plan.amount("energy_j").mid)


@settings(max_examples=10)
@given(scale=st.floats(1.01, 100.0))
def test_twice_the_tokens_is_twice_the_energy_at_a_given_mfu(scale: float) -> None:
    one = tw.plan.training(7e9, 1e12, A100, mfu=0.4).amount("energy_j")
    more = tw.plan.training(7e9, 1e12 * scale, A100, mfu=0.4).amount("energy_j")
    epochs = tw.plan.training(7e9, 1e12, A100, mfu=0.4, epochs=scale).amount("energy_j")
    assert more.mid == pytest.approx(one.mid * scale)
    assert epochs.mid == pytest.approx(more.mid)


def test_only_the_active_parameters_of_a_mixture_cost() -> None:
    dense = tw.plan.training(37e9, 14.8e12, "h100-sxm", mfu=0.35)
    mixture = tw.plan.training(671e9, 14.8e12, "h100-sxm", mfu=0.35, active_params=37e9)
    assert mixture.amount("energy_j") == dense.amount("energy_j")
    assert "active" in mixture.title


@given(peak=st.floats(1e13, 1e16), tokens=st.floats(0.1, 1e5))
def test_the_mfu_is_a_share_that_falls_with_the_peak_and_with_overtraining(peak: float, tokens: float) -> None:
    mfu = expected_mfu_frac(peak, tokens)
    assert 0 < mfu <= LARGEST_MFU_FRAC
    assert expected_mfu_frac(peak * 2, tokens) <= mfu
    assert expected_mfu_frac(peak, tokens * 2) <= mfu
    item = mfu_input(peak, tokens).interval
    assert 0 < item.low <= item.mid <= item.high <= LARGEST_MFU_FRAC


def test_an_mfu_that_is_not_given_is_the_largest_driver_and_holds_failures() -> None:
    plan = tw.plan.training(70e9, 15e12, "h100-sxm")
    assert plan.drivers[0].key == "mfu_frac"
    assert sum(driver.share_frac for driver in plan.drivers) == pytest.approx(1.0)
    assert not any(item.key == "useful_time_frac" for item in plan.inputs)
    assert any("failures" in note for note in plan.notes)


def test_a_chip_beyond_the_fit_says_so() -> None:
    assert any("so fast a chip" in note for note in tw.plan.training(7e9, 1e12, "b200").notes)
    assert not any("so fast a chip" in note for note in tw.plan.training(7e9, 1e12, "h100-sxm").notes)


def test_published_runs_like_it_stand_beside() -> None:
    dense = tw.plan.training(70e9, 2e12, A100).tables[1]
    assert dense.rows[0].texts["chip"] == "a100"
    assert "Llama 2 70B" in {row.name for row in dense.rows}
    assert all(0.05 < row.numbers["mfu_frac"].mid < 0.6 and row.sources for row in dense.rows)
    mixture = tw.plan.training(671e9, 14.8e12, "h100-sxm", active_params=37e9).tables[1]
    assert mixture.rows[0].name == "DeepSeek-V3"


def test_development_is_never_in_the_total() -> None:
    plan = tw.plan.training(70e9, 2e12, A100)
    assert plan.amount("development_energy_j").mid > 0
    assert "not in the total" in {amount.note for amount in plan.amounts}


@pytest.mark.parametrize(
    ("params", "tokens", "options", "word"),
    [
        (0, 1e12, {}, "params"),
        (7e9, 0, {}, "tokens"),
        (7e9, -1e12, {}, "tokens"),
        (7e9, float("nan"), {}, "tokens"),
        (7e9, 1e12, {"mfu": 1.5}, "mfu"),
        (7e9, 1e12, {"mfu": 0}, "mfu"),
        (7e9, 1e12, {"pue": 0.9}, "pue"),
        (7e9, 1e12, {"active_params": 8e9}, "active_params"),
        (7e9, 1e12, {"chips": 0}, "chips"),
        (7e9, 1e12, {"epochs": 0}, "epochs"),
        (7e9, 1e12, {"context": -1}, "context"),
    ],
)
def test_nonsense_is_named(params: float, tokens: float, options: dict[str, float], word: str) -> None:
    with pytest.raises(InputError, match=word):
        tw.plan.training(params, tokens, A100, **options)


def test_a_chip_that_publishes_too_little_is_refused() -> None:
    with pytest.raises(RefusedError, match="publishes no"):
        tw.plan.training(7e9, 1e12, "loihi")
    with pytest.raises(MachineError, match="did you mean"):
        tw.plan.training(7e9, 1e12, "h1000")


def test_an_amount_that_is_not_there_says_which_are() -> None:
    with pytest.raises(KeyError, match="energy_j"):
        tw.plan.training(7e9, 1e12, A100).amount("joules")


def test_a_run_is_told_in_days() -> None:
    found = tw.plan.training(70e9, 2e12, A100, mfu=0.4, pue=1.1, chips=2048)
    assert f"On 2,048 chips that is {found.amount('time_s').mid / 86_400:.3g} days (" in found.sentences[0] + str(found)
    alone = tw.plan.training(7e9, 1e9, "a100", chips=1)
    assert "On 1 chip that is" in str(alone)
    assert "'a100' is short for a100-sxm-80" in alone.notes
