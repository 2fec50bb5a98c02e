import json
import math
from importlib.resources import files

import jsonschema
import numpy as np
import pytest
from tests.support.example_comparison import example_comparison, golden_comparison

from twentywatts.errors import TwentyWattsError
from twentywatts.reports.document import comparison_document
from twentywatts.reports.records import plain, source_records

SCHEMA = json.loads((files("twentywatts") / "data/schemas/comparison-1.schema.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def document():
    return comparison_document(example_comparison(rate_per_s=100.0))


def test_documents_satisfy_the_schema(document):
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    for each in (document, comparison_document(golden_comparison())):
        jsonschema.validate(json.loads(json.dumps(each, allow_nan=False)), SCHEMA)


def test_the_schema_refuses_what_is_not_a_row(document):
    for change in ({"extra": 1}, {"evidence": "L7"}, {"energy_j": 3.0}):
        wrong = {**document, "rows": [{**document["rows"][0], **change}]}
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, SCHEMA)


def test_causes_and_layers_sum_to_the_total(document):
    for row in document["rows"]:
        total = row["energy_j"]["mid"]
        assert sum(item["energy_j"]["mid"] for item in row["causes"]) == pytest.approx(total, rel=1e-5)
        assert sum(item["energy_j"]["mid"] for item in row["layers"]) == pytest.approx(total, rel=1e-5)
        assert sum(item["share_frac"] for item in row["layers"]) == pytest.approx(1.0, rel=1e-5)


def test_every_citation_of_every_ledger_is_in_the_sources(document):
    comparison = example_comparison(rate_per_s=100.0)
    cited = {key for row in comparison.rows for entry in row.ledger.entries for key in entry.sources}
    assert cited
    assert cited <= document["sources"].keys()
    assert all(set(row["sources"]) <= document["sources"].keys() for row in document["rows"])


def test_schema_comes_first_and_run_last(document):
    assert next(iter(document)) == "schema"
    assert list(document)[-1] == "run"


def test_the_same_comparison_gives_the_same_document(document):
    assert json.dumps(comparison_document(example_comparison(rate_per_s=100.0))) == json.dumps(document)


def test_a_ratio_is_against_the_reference_with_its_own_interval(document):
    first, *others = document["ratios"]
    assert first["energy_ratio"] == {"low": 1.0, "mid": 1.0, "high": 1.0}
    assert all(ratio["against"] == "this-cpu" for ratio in others)
    energy, reference = document["rows"][2]["energy_j"], document["rows"][0]["energy_j"]
    assert others[1]["energy_ratio"]["mid"] == pytest.approx(energy["mid"] / reference["mid"], rel=1e-4)


def test_floats_keep_six_digits_and_numpy_becomes_plain():
    value = plain({"a": np.float64(1 / 3), "b": np.int64(3), "c": (np.bool_(True), None), "d": 123456789.0})
    assert value == {"a": 0.333333, "b": 3, "c": [True, None], "d": 123457000.0}
    assert type(value["a"]) is float
    assert type(value["b"]) is int


@pytest.mark.parametrize("bad", [math.nan, math.inf, np.float64("nan")])
def test_a_number_that_is_none_is_refused_with_its_place(bad):
    with pytest.raises(TwentyWattsError, match=r"document\.rows\[0\]\.energy_j"):
        plain({"rows": [{"energy_j": bad}]})


def test_a_source_that_is_nowhere_says_so():
    record = source_records(["nobody1999"], own={})["nobody1999"]
    assert record["kind"] == "unlisted"
    assert record["year"] is None
