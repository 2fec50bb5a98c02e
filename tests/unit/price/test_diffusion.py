"""The price of images and videos."""

from __future__ import annotations

import tomllib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.repository import PACKAGE

import twentywatts as tw
from twentywatts.counting.diffusion import DiffusionUse, diffusion_workload
from twentywatts.errors import InputError
from twentywatts.machines import load
from twentywatts.price.decoder_work import rates_of
from twentywatts.price.diffusion import DIFFUSION_NAMES, diffusion_constants, diffusion_price, drawing_work
from twentywatts.readers.diffusions import diffusion_names, load_diffusion


def _price(name: str, *, steps: int = 0, chips: int = 1, machine: str = "h100-sxm") -> tuple[float, float]:
    work = diffusion_workload(load_diffusion(name), DiffusionUse(steps=steps, chips=chips))
    time_s, energy_j = diffusion_price(
        drawing_work(work, rates_of(load(machine))), diffusion_constants(load(machine))[0]
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
        ("flux.1-dev", 7948.6, 11.6),
        ("sd3.5-large", 4420.1, 6.6),
        ("wan2.1-14b", 289253.0, 467.0),
        ("hunyuanvideo", 1.164e6, 1689.0),
    ],
)
def test_published_rows(name: str, measured_j: float, measured_s: float) -> None:
    time_s, energy_j = _price(name)
    assert energy_j == pytest.approx(measured_j, rel=0.3)
    assert time_s == pytest.approx(measured_s, rel=0.4)


def test_a_video_of_many_tokens_is_mostly_attention_between_them() -> None:
    step = diffusion_workload(load_diffusion("hunyuanvideo"), DiffusionUse()).denoise
    assert np.all(step.attention_mac_count > 3 * step.weight_mac_count)


def test_two_images_on_eight_chips_take_hardly_longer_than_one_while_launches_tell() -> None:
    """ML.ENERGY v3, SANA 1.6B on eight H100: 1.38 s for one image, 1.47 s for two (ring degree 1)."""
    model, rates = load_diffusion("sana-1.5-1.6b"), rates_of(load("h100-sxm"))
    constants, _ = diffusion_constants(load("h100-sxm"))
    works = [diffusion_workload(model, DiffusionUse(batch=batch, chips=8)) for batch in (1, 2)]
    one, two = (float(diffusion_price(drawing_work(work, rates), constants)[0]) for work in works)
    assert one < two < 1.6 * one


def test_names_and_bad_input() -> None:
    assert set(diffusion_constants(load("l4"))[0]) == set(DIFFUSION_NAMES)
    with pytest.raises(InputError, match="at least 1 step"):
        tw.estimate("sdxl", on="h100-sxm", steps=0)


def test_images_served_together_are_the_batch() -> None:
    found = tw.estimate("sdxl", on="h100-sxm", images=4, steps=30)
    assert [row.batch for row in found.rows] == [4]
    assert found.answer.startswith("One image (1024 × 1024 pixels, 30 steps) by Stable Diffusion XL")
    assert found.rows[0].ledger.per == "image"
    assert found.rows[0].ledger.evidence.label == "L1"
    assert not any("recalled" in note for note in found.notes)
    assert any("a U-Net" in note for note in found.notes)
    assert tw.estimate("flux", on="h100-sxm", batch=1).rows[0].ledger.evidence.label == "L1"


def test_a_recalled_size_makes_a_guess(monkeypatch: pytest.MonkeyPatch) -> None:
    """No bundled model has one; a count that was not read must not pass for one that was."""
    recalled = replace(load_diffusion("sdxl"), recalled=True)
    monkeypatch.setattr("twentywatts.estimation.diffusion.load_diffusion", lambda name: recalled)
    found = tw.estimate("sdxl", on="h100-sxm", batch=1)
    assert found.rows[0].ledger.evidence.label == "L0"
    assert any("recalled" in note for note in found.notes)


def test_every_chip_must_hold_all_weights() -> None:
    found = tw.estimate("hunyuanvideo", on=["rtx-4090x8", "h100-sxm"], batch=1)
    assert [row.machine for row in found.rows] == ["h100-sxm"]
    assert "does not fit the memory of a chip" in found.refused[0].reason


def test_an_estimated_power_of_images_has_the_error_of_held_out_runs() -> None:
    row = tw.estimate("flux.1-dev", on="h100-sxm", batch=1).rows[0]
    power_90 = tomllib.loads((PACKAGE / "data" / "fitted" / "diffusion.toml").read_text())["error"]["power_90"]
    assert np.log(row.power_w.mid / row.power_w.low) == pytest.approx(power_90, rel=0.15)
    assert row.power_w.mid < row.power_w.high <= tw.machine("h100-sxm").figures["max_power_w"].value


def test_a_chip_like_none_that_was_measured_has_a_wider_interval() -> None:
    error = tomllib.loads((PACKAGE / "data" / "fitted" / "diffusion.toml").read_text())["error"]
    known, unknown = (tw.estimate("sdxl", on=name).rows[0].energy_j_per_unit for name in ("h100-sxm", "mi300x"))
    assert np.log(known.high / known.mid) == pytest.approx(error["quantile_90"], rel=0.1)
    assert np.log(unknown.high / unknown.mid) == pytest.approx(error["quantile_90"] * error["unseen_chip"], rel=0.1)
