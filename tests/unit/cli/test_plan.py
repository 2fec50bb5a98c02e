"""``plan`` from the command line: what is printed, written and refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from tests.support.repository import PACKAGE

import twentywatts as tw
from twentywatts.cli import main
from twentywatts.reports.plan import cell_text, origin_text
from twentywatts.reports.plan_charts import band_chart

SERVING = (
    "plan serving --concurrent 1e4 --tokens 400 --on h100-sxm --joules-per-token 0.5J --tokens-per-s 30 --streams 64"
)
COMMANDS = {
    "training": "plan training --params 70e9 --tokens 2T --on a100-sxm-80 --mfu 0.4 --pue 1.1 --context 4096",
    "scaling": "plan scaling --budget 1GWh --on h100-sxm --served-tokens 1e12",
    "serving": f"{SERVING} --grid DE --pools 3 --climate hot",
    "serving-model": "plan serving --users 1e6 --tokens 400 --on h100-sxm --model llama-3.1-8b --tokens-per-s 20",
    "fleet": "plan fleet de-vries-2027 --efficiency 3",
    "grid": "plan grid --load 100MW --grid DE --pv 120MW --pue 1.2 --at 48.1,11.6 --pv-yield 0.12",
    "equivalents": "plan equivalents 120MW --for 1yr --grid FR",
}


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_plan_is_printed_with_its_sources(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(COMMANDS[kind].split()) == 0
    printed = capsys.readouterr().out
    assert "90 % intervals" in printed
    assert "\x1b" not in printed
    assert "nan" not in printed


@pytest.mark.parametrize("kind", COMMANDS)
def test_a_plan_is_written_by_its_schema(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    jsonschema, _ = pytest.importorskip("jsonschema"), pytest.importorskip("plotly")
    target, page = tmp_path / "plan.json", tmp_path / "plan.html"
    assert main([*COMMANDS[kind].split(), "--json", str(target), "--html", str(page)]) == 0
    document = json.loads(target.read_text(encoding="utf-8"))
    schema = json.loads((PACKAGE / "data/schemas/plan-1.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(document, schema)
    assert document["kind"] == kind.partition("-")[0]
    text = page.read_text(encoding="utf-8")
    assert text.count("<script>") == 2
    assert 'http-equiv="Content-Security-Policy"' in text
    assert document["sentences"][0].split()[0] in text


@pytest.mark.parametrize("kind", COMMANDS)
def test_no_source_and_no_number_is_cut_off(
    kind: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(COMMANDS[kind].split()) == 0
    printed = capsys.readouterr().out
    assert "…" not in printed
    assert max(map(len, printed.splitlines())) <= 80
    assert not re.search(r"–[\d.]+$", printed, flags=re.MULTILINE)
    assert not re.search(r"\d[eE][+-]?\d+ %", printed)  # what next to nothing is, no one wants to know
    assert "What this does not cover\n" in printed or kind == "equivalents"


def test_json_goes_to_standard_output_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "equivalents", "41GWh", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "twentywatts.plan/1"


def test_two_runs_of_one_command_agree(capsys: pytest.CaptureFixture[str]) -> None:
    documents = []
    for _ in range(2):
        assert main([*COMMANDS["training"].split(), "--json", "-"]) == 0
        document = json.loads(capsys.readouterr().out)
        del document["run"]
        documents.append(document)
    assert documents[0] == documents[1]


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("plan equivalents 41GW", "is a power"),
        ("plan equivalents 41", "has no unit"),
        ("plan equivalents 41MWh/h", "is an energy per time"),
        ("plan equivalents 41Gwh", "unknown unit"),
        ("plan equivalents -- -41GWh", "positive"),
        ("plan equivalents 41GWh --grid Frnce", "did you mean 'France'"),
        ("plan scaling --budget 3MW --on h100-sxm", "is a power"),
        ("plan scaling --budget 3MWh --on h100-sxm --law hofman2022", "did you mean"),
        ("plan training --params 70e9 --tokens 0 --on h100-sxm", "positive"),
        ("plan training --params 70GB --tokens 1T --on h100-sxm", "a count has no unit"),
        ("plan training --params 70e9 --tokens 1T --on h1000", "did you mean 'h100'"),
        ("plan training --params 70e9 --tokens 1T --on human-brain", "publishes no"),
        ("plan fleet world-2024", "did you mean 'world-2025'"),
        ("plan fleet none.toml", "cannot read"),
        ("plan serving --concurrent 1 --tokens 400 --on h100-sxm", "--joules-per-token"),
        (f"{SERVING} --requests 5", "either"),
        (f"{SERVING} --model llama-3.1-8b", "either --model"),
        ("plan serving --concurrent 9 --tokens 400 --on h100-sxm --model lama-3.1-8b", "did you mean"),
        ("plan serving --concurrent 9 --tokens 400 --on h100-sxm --model sdxl", "writes no tokens"),
        ("plan serving --concurrent 9 --tokens 400 --on l4 --model llama-3.1-8b --tokens-per-s 1e5", "is the most"),
        (f"{SERVING} --slo 2W", "--slo: '2W' is a power"),
        (f"{SERVING} --joules-per-token 2", "--joules-per-token: '2' has no unit"),
        (f"{SERVING} --chips 1.5", "--chips must be a whole number"),
        ("plan grid --load 100MW --grid DE --pv 10MW --battery 5MW", "--battery: '5MW' is a power"),
        ("plan grid --load 100MW --grid DE --flexible half", "--flexible wants a share such as 0.3 or 30%"),
        ("plan", "KIND"),
    ],
)
def test_bad_input_is_one_line_that_says_what_is_wanted(
    line: str, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(line.split()) == 2
    printed = capsys.readouterr()
    assert word in printed.err
    assert len(printed.err.strip().splitlines()) == 1
    assert printed.out == ""


def test_a_share_may_stand_in_per_cent_in_every_plan(capsys: pytest.CaptureFixture[str]) -> None:
    printed = []
    for share in ("0.3", "30%"):
        assert main(f"plan grid --load 100MW --grid DE --pv 120MW --flexible {share}".split()) == 0
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]


def test_a_report_is_not_written_over_the_scenario(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "ours.toml"
    path.write_text("schema = 1", encoding="utf-8")
    assert main(["plan", "fleet", str(path), "--json", str(path)]) == 2
    assert path.read_text(encoding="utf-8") == "schema = 1"
    assert "already" in capsys.readouterr().err


def test_names_in_a_scenario_do_not_steer_the_page(tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    path, page = tmp_path / "evil.toml", tmp_path / "evil.html"
    path.write_text(
        'schema = "twentywatts.fleet/1"\ntitle = "<script>alert(1)</script>"\n'
        '[inputs.base_energy_j]\nlabel = "</script><img src=x>"\nlow = 1\nvalue = 2\nhigh = 3\n'
        'unit = "TWh"\nwhere = "<b>"\n',
        encoding="utf-8",
    )
    assert main(["plan", "fleet", str(path), "--html", str(page)]) == 0
    text = page.read_text(encoding="utf-8")
    assert "<script>alert(1)" not in text
    assert "<img src=x>" not in text
    assert text.count("<script>") == 2


def test_a_chart_rounds_as_the_table_beside_it(tmp_path: Path) -> None:
    target = tmp_path / "plan.json"
    assert main(["plan", "equivalents", "41GWh", "--json", str(target)]) == 0
    for table in json.loads(target.read_text(encoding="utf-8"))["tables"]:
        chart = band_chart(table)
        assert chart is not None
        key = next(iter(table["labels"]))
        shown = [cell_text(key, row[key]).partition(" (")[0] for row in table["rows"] if row[key]["mid"] > 0]
        assert chart["data"][0]["text"] == shown


def test_what_was_estimated_of_a_model_is_not_told_as_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*COMMANDS["serving-model"].split(), "--json", "-"]) == 0
    inputs = {item["key"]: item for item in json.loads(capsys.readouterr().out)["inputs"]}
    assert origin_text(inputs["token_energy_j"]).startswith("estimated for llama-3.1-8b")
    assert origin_text(inputs["tokens_count"]) == "given"


def test_a_service_of_a_model_writes_what_its_estimate_writes(capsys: pytest.CaptureFixture[str]) -> None:
    # prompts of 4,000 tokens are read between the steps of all answers: a step alone says nothing of a server
    words = "plan serving --concurrent 3200 --tokens 300 --prompt 4000 --on h100-sxm --model llama-3.1-8b --streams 32"
    assert main([*words.split(), "--chips", "1", "--json", "-"]) == 0
    plan = json.loads(capsys.readouterr().out)
    row = tw.estimate("llama-3.1-8b", on="h100-sxm", batch=32, prompt_tokens=4000, output_tokens=300).rows[0]
    a_day = next(item for item in plan["amounts"] if item["key"] == "tokens_day_count")["tokens_day_count"]["mid"]
    assert a_day == pytest.approx(100 * row.units_per_s.mid * 86400, rel=1e-5)
    active_j = plan["tables"][0]["rows"][0]["energy_j"]
    limit_w = tw.machine("h100-sxm").figures["max_power_w"].value
    assert active_j["mid"] == pytest.approx(100 * row.power_w.mid * 86400, rel=1e-5)
    assert active_j["high"] <= 100 * limit_w * 86400 * (1 + 1e-5)
