"""The price of images and videos."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import twentywatts as tw
from twentywatts.errors import InputError
from twentywatts.estimation.diffusion import diffusion_names, diffusion_work, is_diffusion_name
from twentywatts.machines import load
from twentywatts.price.decoder_work import rates_of
from twentywatts.price.diffusion import DIFFUSION_NAMES, diffusion_constants, diffusion_price


def _price(
    name: str, *, batch: float = 1.0, steps: float | None = None, chips: int = 1, machine: str = "h100-sxm"
) -> tuple[float, float]:
    rates = rates_of(load(machine))
    work = diffusion_work(name, batch=batch, steps=steps, chips=chips)
    constants, _ = diffusion_constants(load(machine))
    time_s, energy_j = diffusion_price(
        work, constants, peak=rates.peak_flop_per_s[16], link=rates.link_bytes_per_s, power_w=rates.power_w
    )
    return float(time_s), float(energy_j)


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(diffusion_names()),
    st.integers(1, 100),
    st.sampled_from([1, 2, 8]),
    st.sampled_from(["h100-sxm", "l40s"]),
)
def test_power_stays_below_the_limit_and_more_steps_cost_more(name: str, steps: int, chips: int, machine: str) -> None:
    time_s, energy_j = _price(name, steps=steps, chips=chips, machine=machine)
    assert 0 < energy_j < rates_of(load(machine)).power_w * chips * time_s
    more = _price(name, steps=steps + 1, chips=chips, machine=machine)
    assert more[1] > energy_j
    assert more[0] > time_s


@pytest.mark.parametrize(
    ("name", "measured_j", "measured_s"),
    [  # ML.ENERGY v3, one H100, batch 1: single rows
        ("flux-1-dev", 7948.6, 11.6),
        ("sd-3.5-large", 4420.1, 6.6),
        ("wan-2.1-14b", 289253.0, 467.0),
        ("hunyuan-video", 1.164e6, 1689.0),
    ],
)
def test_published_rows(name: str, measured_j: float, measured_s: float) -> None:
    time_s, energy_j = _price(name)
    assert energy_j == pytest.approx(measured_j, rel=0.3)
    assert time_s == pytest.approx(measured_s, rel=0.4)


def test_a_video_of_many_tokens_is_mostly_attention_between_them() -> None:
    work = diffusion_work("hunyuan-video", batch=1.0)
    assert np.all(np.asarray(work.attention_flop) > 3 * np.asarray(work.product_flop))


def test_names_and_bad_input() -> None:
    assert is_diffusion_name("black-forest-labs/FLUX.1-dev")
    assert not is_diffusion_name("llama-3.1-8b")
    assert set(diffusion_constants(load("l4"))[0]) == set(DIFFUSION_NAMES)
    with pytest.raises(InputError, match="at least 1 step"):
        tw.estimate("sdxl", on="h100-sxm", steps=0)


def test_images_served_together_are_the_batch() -> None:
    found = tw.estimate("sdxl", on="h100-sxm", images=4, steps=30)
    assert [row.batch for row in found.rows] == [4]
    assert found.answer.startswith("One image (1024 × 1024 pixels, 30 steps) by Stable Diffusion XL")
    assert found.rows[0].ledger.per == "image"
    assert found.rows[0].ledger.evidence.label == "L0"  # the sizes of the model are recalled
