"""Any JSON at all is either an architecture whose counts are finite, or a ModelError."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from twentywatts.counting.decoder import decoder_workload
from twentywatts.counting.parameters import active_parameter_count, parameter_count
from twentywatts.counting.use import DecoderUse
from twentywatts.errors import ModelError
from twentywatts.readers.decoder import model_types, read_config

FAMILIES = [entry["config"] for entry in json.loads((Path(__file__).parent / "families.json").read_text("utf-8"))]
NAMES = sorted({name for config in FAMILIES for name in config} | {"head_dim", "layer_types", "quantization_config"})
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=6,
)
SMALL = st.integers(-2, 70)


def check(config: Any) -> None:
    try:
        found = read_config(config, name="any")
    except ModelError:
        return
    assert 0 <= active_parameter_count(found) <= parameter_count(found) < 10**40
    counted = decoder_workload(found, DecoderUse(prompt_tokens=10, output_tokens=3 if found.main.causal else 0))
    for phase in (counted.prefill, counted.decode):
        assert math.isfinite(float(phase.mac_count))
        assert float(phase.mac_count) >= 0
        assert float(phase.weight_bytes) >= 0
        assert 0 <= float(phase.touched_frac) <= 1


@given(st.sampled_from(FAMILIES), st.dictionaries(st.sampled_from(NAMES), VALUES | SMALL, min_size=1, max_size=3))
@example({}, {"model_type": "llama"})
def test_a_changed_file_is_counted_or_refused(config: dict[str, Any], changes: dict[str, Any]) -> None:
    check(config | changes)


@given(st.sampled_from(FAMILIES), st.data())
def test_a_file_that_lacks_fields_is_counted_or_refused(config: dict[str, Any], data: st.DataObject) -> None:
    gone = data.draw(st.sets(st.sampled_from(sorted(config)), min_size=1, max_size=3))
    check({name: value for name, value in config.items() if name not in gone})


@given(st.sampled_from(model_types()), st.dictionaries(st.sampled_from(NAMES), VALUES | SMALL, max_size=12))
def test_any_fields_are_counted_or_refused(kind: str, values: dict[str, Any]) -> None:
    check({**values, "model_type": kind})


@given(st.sampled_from(FAMILIES), st.sampled_from(["text_config", "vision_config"]), st.data())
def test_a_changed_part_is_counted_or_refused(config: dict[str, Any], part: str, data: st.DataObject) -> None:
    changes = data.draw(st.dictionaries(st.sampled_from([*NAMES, "depth", "embed_dim"]), VALUES | SMALL, max_size=3))
    inner = config.get(part, {})
    check(config | {part: inner | changes})
