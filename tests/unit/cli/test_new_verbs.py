"""What a stranger reads of estimate and plan: numbers without powers of ten, shares told once, errors that name."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.support.repository import ROOT

import twentywatts as tw
from twentywatts.cli import main
from twentywatts.errors import InputError
from twentywatts.reports.estimate import ABOVE_IDLE, SUM, notes_of, parts_text, speed_text


def said(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(words) == 0
    return capsys.readouterr().out


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(words) == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.count("\n") == 1
    return output.err


def row(**parts_j: float) -> dict[str, Any]:
    energies = [{"part": name, "energy_j": {"mid": energy_j}} for name, energy_j in parts_j.items()]
    causes = [{"cause": "unsplit", "energy_j": {"mid": sum(parts_j.values())}}]
    return {"parts": energies, "causes": causes, "notes": ["twice", "once"]}


def test_an_estimate_says_no_power_of_ten_and_what_it_cannot_tell_apart(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(["estimate", "deepseek-v3", "--on", "h200-sxmx8", "--batch", "64"], capsys)
    assert not re.search(r"\de[+-]?\d", text)
    assert "other 100 %" not in text
    assert text.count("a further token") == 1
    assert re.search(r"static \d+ %", " ".join(text.split()))
    assert " ".join(text.split()).count(ABOVE_IDLE) == 1
    guessed = said(["estimate", "llama-3.1-8b", "--on", "jetson-orin", "--batch", "1"], capsys)
    assert " ".join(guessed.split()).count(SUM) == 1


def test_speeds_and_parts_are_told_in_few_digits() -> None:
    fast = {"unit": "token", "units_per_s": {"mid": 1727.3}, "step_s": {"mid": 1 / 36.61}}
    assert speed_text(fast) == "1,730 tok/s\n36.6 per user"
    assert parts_text(row(prefill=1.0, decode=3.0)) == "prompt 25 %, answer 75 %"
    assert parts_text(row(prefill=0.1, decode=99.9)) == "prompt <1 %, answer 100 %"
    assert parts_text(row(generation=2.0)) == ""
    assert notes_of({"rows": [row(a=1.0), row(a=2.0)], "notes": ["twice"]}) == ["twice", "once", SUM]


def test_a_rebound_is_a_per_cent_and_a_driver_moves_something(capsys: pytest.CaptureFixture[str]) -> None:
    fleet = said(["plan", "fleet", "world-2025"], capsys)
    assert "41.4 %" in fleet
    assert "138 %" in fleet
    scaling = said(["plan", "scaling", "--budget", "1GWh", "--on", "h100-sxm"], capsys)
    drivers = re.findall(r": ([\d.]+) to ([\d.]+) \((\d+)", scaling)
    assert drivers
    assert all(low != high and int(share) >= 1 for low, high, share in drivers)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--mfu", "abc"], "--mfu wants a share such as 0.4 or 40%"),
        (["--mfu", "1e-300"], "mfu must be at least 1e-12"),
        (["--pue", "nan"], "--pue wants a ratio such as 1.2"),
        (["--chips=-3"], "--chips: '-3' must be a positive"),
    ],
)
def test_an_error_names_the_option(words: list[str], wanted: str, capsys: pytest.CaptureFixture[str]) -> None:
    run = ["plan", "training", "--params", "70B", "--tokens", "2T", "--on", "h100-sxm"]
    assert wanted in refused([*run, *words], capsys)


def test_a_share_may_be_a_per_cent(capsys: pytest.CaptureFixture[str]) -> None:
    run = ["plan", "training", "--params", "70B", "--tokens", "2T", "--on", "h100-sxm", "--mfu"]
    assert said([*run, "40%"], capsys) == said([*run, "0.4"], capsys)


def test_a_name_too_long_for_a_file_is_an_unknown_model(capsys: pytest.CaptureFixture[str]) -> None:
    assert "unknown model 'aaa" in refused(["estimate", "a" * 5000, "--on", "h100-sxm"], capsys)
    with pytest.raises(InputError):
        tw.estimate("a\0b", on="h100-sxm")


def test_misspelt_options_long_names_and_no_gain_are_refused() -> None:
    with pytest.raises(TypeError, match="mfuu"):
        tw.plan.training(7e9, 1e12, "h100-sxm", mfuu=0.4)  # type: ignore[call-arg]
    with pytest.raises(InputError, match="there is no NIR file"):
        tw.read_nir("a" * 5000)
    with pytest.raises(InputError, match=r"efficiency must be at least 1\.001"):
        tw.plan.fleet("world-2025", efficiency=1.0)


@pytest.mark.parametrize("verb", [["estimate", "llama-3.1-8b", "--on", "h100-sxm"], ["plan", "equivalents", "1GWh"]])
@pytest.mark.parametrize(
    ("outputs", "words"), [(["--json", "-", "--html", "-"], "standard output"), (["--html", ""], "is empty")]
)
def test_two_reports_on_one_output_and_names_of_nothing_are_refused(
    verb: list[str], outputs: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*verb, *outputs]) == 2
    assert words in capsys.readouterr().err


def test_an_estimate_of_a_network_tells_no_share_of_nought(
    capsys: pytest.CaptureFixture[str],
) -> None:
    pytest.importorskip("onnx")
    text = said(["estimate", str(ROOT / "examples" / "digits.onnx"), "--on", "h100-sxm", "--batch", "8"], capsys)
    assert "conv0" not in text
    assert not re.search(r"\b0\s+%", text)
    assert "<1 %" in " ".join(text.split())
