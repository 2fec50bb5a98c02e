"""Language models: ranked by the predictor, guesses never the best; recipes run with the names that tools have."""

from __future__ import annotations

import ast
import dataclasses
import io
import json
import os
import runpy
import sys
import types
from itertools import pairwise
from pathlib import Path

import pytest
from rich.console import Console

from twentywatts.errors import InputError, MachineError, ModelError, RefusedError
from twentywatts.figures import Evidence
from twentywatts.price.decoder_constants import error_model
from twentywatts.readers.architectures import load_architecture
from twentywatts.reports.slim_language import language_headline, language_view, table_by_batch
from twentywatts.reports.slim_language_document import language_document
from twentywatts.reports.slim_language_page import language_page
from twentywatts.slimming.language.pairs import Pairs, ratio_of
from twentywatts.slimming.language.quantizers import recipe_of, recipes, write_recipes
from twentywatts.slimming.language.ranking import LanguageAdvice, Load, recommend


@pytest.fixture(scope="module")
def dense() -> LanguageAdvice:
    return recommend("llama-3.1-8b", on="h100-sxmx1,akida", load=Load(step_s=0.05))


@pytest.fixture(scope="module")
def routed() -> LanguageAdvice:
    return recommend("qwen3-235b-a22b", on="h100-sxmx8")


def test_options_are_ranked_by_joules_a_token(dense: LanguageAdvice) -> None:
    joules = [option.energy_j_per_token for option in dense.options if option.is_borne]
    assert joules == sorted(joules)
    kinds = {(option.precision, option.cache) for option in dense.options}
    assert kinds == {(name, cache) for name in ("as published", "fp8", "int8", "int4") for cache in ("", "fp8")}
    assert next(refusal.machine for refusal in dense.refused) == "akida"


def test_a_chip_without_bf16_serves_in_fp16() -> None:
    """A T4 has tensor cores for fp16 alone, and vLLM does not start a model in bf16 on it."""
    narrow, given = (recommend(name, on="t4x1", load=Load(most_batch=2)) for name in ("gpt2", "llama-3.2-1b"))
    assert {option.base for option in narrow.options} == {"fp32", "fp16", "int8", "int4"}
    assert {option.precision for option in narrow.options} == {"as published", "fp16", "int8", "int4"}
    assert given.best is not None
    assert given.best.base == "fp16"
    assert given.best.is_measured
    assert "--dtype half" in language_document(given)["serve"]
    assert "fp16, published in bf16" in table_by_batch(language_document(given), "t4")[0]


def test_what_was_published_in_fp16_is_called_so() -> None:
    found = recommend("bloom-560m", on="h100-sxmx1", load=Load(most_batch=1))
    assert found.model.precision == "fp16"
    assert found.best is not None
    assert found.best.is_measured


def test_every_precision_is_asked_about_at_every_batch() -> None:
    """A precision with a smaller cache fills larger batches: each batch holds all that fit."""
    found = recommend("gpt2", on="t4x1", load=Load(prompt_tokens=700))
    held: dict[int, set[str]] = {}
    for option in found.options:
        held.setdefault(option.row.batch, set()).add(f"{option.precision} {option.cache}")
    assert max(batch for batch, kinds in held.items() if "as published " in kinds) < max(held)
    assert all(fewer >= more for fewer, more in pairwise(held[batch] for batch in sorted(held)))


def test_without_a_number_of_chips_small_groups_are_tried() -> None:
    found = recommend("llama-3.1-8b", on="h100-sxm", load=Load(most_batch=1))
    assert {option.row.chip_count for option in found.options} == {1, 2, 4, 8}
    assert {option.row.machine for option in found.options} >= {"h100-sxm", "h100-sxmx8"}


def test_what_nobody_measured_is_a_guess_and_never_the_best(dense: LanguageAdvice, routed: LanguageAdvice) -> None:
    for advice in (dense, routed):
        for option in advice.options:
            assert option.is_measured or option.row.ledger.evidence is Evidence.GUESSED
        assert advice.best is not None
        assert advice.best.is_measured
    assert {option.base for option in dense.options if option.is_measured} == {"bf16", "fp8"}
    assert {option.base for option in routed.options if option.is_measured} == {"bf16", "fp8"}


def test_a_dense_model_in_eight_bit_floats_was_measured_and_may_be_the_cheapest(dense: LanguageAdvice) -> None:
    """Fifteen runs of Llama 3.1 405B in FP8 are in the fit; the pairs, of a routed model, say nothing against them."""
    assert dense.best is not None
    assert dense.best.base == "fp8"
    assert not dense.best.is_paired
    assert all(option.is_advised for option in dense.options if option.base == "fp8" and not option.cache)
    said = " ".join(language_headline(language_document(dense)))
    assert "No dense model was measured in both on as many chips" in said
    assert "A guess might take the same" not in said


def test_a_guess_is_wider_than_what_was_measured(dense: LanguageAdvice) -> None:
    def width(precision: str) -> float:
        option = next(o for o in dense.options if o.precision == precision and not o.cache and o.row.batch == 64)
        return option.row.energy_j_per_unit.high / option.row.energy_j_per_unit.mid

    assert width("int4") == pytest.approx(width("as published") ** error_model().unseen_chip, rel=0.02)


def test_a_user_who_bears_less_gets_smaller_batches(dense: LanguageAdvice) -> None:
    limit = dense.best.row.step_s.mid / 2
    quick = recommend("llama-3.1-8b", on="h100-sxmx1", load=Load(step_s=limit))
    assert quick.best.row.step_s.mid <= limit
    assert quick.best.energy_j_per_token > dense.best.energy_j_per_token
    hopeless = recommend("llama-3.1-8b", on="h100-sxmx1", load=Load(step_s=1e-6, most_batch=2))
    assert hopeless.best is None
    assert language_headline(language_document(hopeless))[0].startswith("Nothing writes a token within 1 µs")


def test_fp8_is_not_advised_where_most_measured_pairs_cost(routed: LanguageAdvice) -> None:
    advised = {option.row.batch: option.is_advised for option in routed.options if option.precision == "fp8"}
    few = [batch for batch in advised if batch <= 12]
    assert few
    assert not any(advised[batch] for batch in few)
    few_users = recommend("qwen3-235b-a22b", on="h100-sxmx8", load=Load(most_batch=4))
    assert few_users.best.base == "bf16"
    said = " ".join(language_headline(language_document(few_users)))
    assert "FP8 cost energy in 7 of 7" in said
    assert "foreseen rightly in 34 of all 44" in said


def test_the_pairs_add_up_and_a_ratio_is_as_wide_as_they_err() -> None:
    pairs = Pairs.load()
    assert sum(band.pair_count for band in pairs.bands) == pairs.pair_count
    assert sum(band.right_count for band in pairs.bands) == pairs.right_count
    assert sum(band.saving_count for band in pairs.bands) == pairs.saving_count
    assert pairs.band(1) is pairs.bands[0]
    assert pairs.band(1e6) is pairs.bands[-1]
    known, guessed = (ratio_of(0.8, pairs, is_measured=flag, batch=64) for flag in (True, False))
    assert guessed.low < known.low < 0.8 < known.high < guessed.high


def test_below_the_fewest_measured_requests_all_is_extrapolated_and_wider(routed: LanguageAdvice) -> None:
    pairs = Pairs.load()
    assert pairs.least_batch == min(band.least_batch for band in pairs.bands)
    least = pairs.least_batch
    at = [ratio_of(0.8, pairs, is_measured=True, batch=batch) for batch in (1, least / 2, least, 64)]
    assert at[0].high > at[1].high > at[2].high == at[3].high
    assert at[0].low < 1 < at[0].high
    for option in routed.options:
        is_few = option.row.batch < least
        assert option.is_extrapolated is (is_few and option.precision != "as published")
    alone = language_document(recommend("qwen3-235b-a22b", on="h100-sxmx8", load=Load(most_batch=1)))
    said = " ".join(language_headline(alone))
    assert "(extrapolated, " in said
    assert f"No pair was measured below {least:.0f} at a time" in said
    ranked = [one for one in alone["options"] if one["precision"] == "fp8" and one["cache"] == "full"]
    assert all(one["extrapolated"] and one["measured_precision"] for one in ranked)
    assert "~ " in _text_of(alone)
    assert "extrapolated from measured runs" in language_page(alone)


def test_wrong_input_says_what_is_wanted() -> None:
    with pytest.raises(InputError, match="writes no text"):
        recommend("bert-base", on="h100-sxm")
    with pytest.raises(InputError, match=r"no machine can serve it.*takes"):
        recommend("llama-3.1-405b", on="t4x1")
    with pytest.raises(InputError) as told:
        recommend("gpt2", on="loihi,isaac")
    assert str(told.value).count("is no processor") == 2  # once for each chip, not for each group of it
    with pytest.raises(MachineError):
        recommend("llama-3.1-8b", on="h1000")
    with pytest.raises(ModelError):
        recommend("llama-99", on="h100-sxm")
    with pytest.raises(InputError, match="at least one request"):
        Load(most_batch=0)
    with pytest.raises(InputError, match="more than 0 s"):
        Load(step_s=-1.0)


def _text(advice: LanguageAdvice) -> str:
    return _text_of(language_document(advice))


def _text_of(document: dict) -> str:
    stream = io.StringIO()
    Console(file=stream, width=80, color_system=None).print(language_view(document))
    return stream.getvalue()


def test_the_table_fits_80_columns_and_marks_guesses(dense: LanguageAdvice, routed: LanguageAdvice) -> None:
    for advice in (dense, routed):
        text = _text(advice)
        assert max(map(len, text.splitlines())) <= 80
        assert "int4 (guess)" in text
    assert "int8 (guess)" in _text(dense)
    assert "fp8 (guess)" not in _text(routed)
    assert "--max-num-seqs 256" in _text(dense)


def test_a_hostile_name_does_not_steer_the_terminal(dense: LanguageAdvice) -> None:
    hostile = dataclasses.replace(dense, model=dataclasses.replace(dense.model, title="\x1b[2Jhacked"))
    assert "\x1b" not in _text(hostile)


def test_the_page_trusts_no_name(dense: LanguageAdvice) -> None:
    pytest.importorskip("plotly")
    name = "<script>window.hacked=1</script>"
    model = dataclasses.replace(dense.model, title=name, precision=name)
    page = language_page(
        language_document(dataclasses.replace(dense, model=model, notes=(name,)), run={"command": name})
    )
    assert name not in page
    assert "&lt;script&gt;window.hacked" in page
    assert "a guess" in page


# What is called in the tools, as read in their releases; the recipes run against these stand-ins.


def _stand_ins(calls: dict) -> dict[str, types.ModuleType]:
    def modules(*names: str) -> dict[str, types.ModuleType]:
        return {name: types.ModuleType(name) for name in names}

    found = modules(
        "datasets",
        "llmcompressor",
        "llmcompressor.modifiers",
        "llmcompressor.modifiers.quantization",
        "llmcompressor.modifiers.gptq",
        "gptqmodel",
    )

    def oneshot(model, recipe=None, dataset=None, num_calibration_samples=512, max_seq_length=None, output_dir=None):
        calls["oneshot"] = (model, recipe, dataset, num_calibration_samples, output_dir)

    class Model:
        @classmethod
        def load(cls, model_id_or_path, quantize_config=None):
            calls["load"] = (model_id_or_path, quantize_config)
            return cls()

        def quantize(self, calibration=None, batch_size=1):
            calls["quantize"] = calibration

        def save(self, save_dir):
            calls["save"] = save_dir

    def modifier(name):
        return lambda targets, scheme, ignore: (name, targets, scheme, ignore)

    found["llmcompressor"].oneshot = oneshot
    found["llmcompressor.modifiers.quantization"].QuantizationModifier = modifier("plain")
    found["llmcompressor.modifiers.gptq"].GPTQModifier = modifier("gptq")
    found["datasets"].Dataset = types.SimpleNamespace(from_dict=lambda columns: columns)
    found["gptqmodel"].GPTQModel = Model
    found["gptqmodel"].GPTQConfig = lambda bits, group_size, sym: (bits, group_size, sym)
    return found


@pytest.mark.parametrize("precision", ["fp8", "int8", "int4"])
def test_recipes_run(precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: dict = {}
    for name, module in _stand_ins(calls).items():
        monkeypatch.setitem(sys.modules, name, module)
    folder = tmp_path / 'my "model"'
    found, refused = recipes(load_architecture("llama-3.1-8b"), str(folder))
    assert not refused
    paths = write_recipes(found, tmp_path / "out")
    path = next(path for path in paths if precision in path.name)
    texts = tmp_path / "texts.txt"
    texts.write_text("one\ntwo\n", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", [str(path), *([] if precision == "fp8" else [str(texts)])])
    runpy.run_path(str(path), run_name="__main__")
    if precision == "int4":
        assert calls["load"] == (str(folder), (4, 128, True))
        assert calls["quantize"] == ["one", "two"]
        assert calls["save"].endswith("-int4")
        return
    model, (kind, targets, scheme, ignored), data, count, out = calls["oneshot"]
    assert (model, targets) == (str(folder), "Linear")
    assert (kind, scheme) == {"fp8": ("plain", "FP8_DYNAMIC"), "int8": ("gptq", "W8A8")}[precision]
    assert "lm_head" in ignored
    assert (data, count) == ((None, 512) if precision == "fp8" else ({"text": ["one", "two"]}, 2))
    assert out.endswith(f"-{precision}")


def test_a_recipe_without_its_arguments_says_what_it_wants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, module in _stand_ins({}).items():
        monkeypatch.setitem(sys.modules, name, module)
    recipe = recipe_of(load_architecture("llama-3.1-8b"), "int8")
    path = write_recipes([recipe], tmp_path)[0]
    monkeypatch.setattr(sys, "argv", [str(path)])
    with pytest.raises(SystemExit, match="MODEL: a folder with the weights"):
        runpy.run_path(str(path), run_name="__main__")


def test_no_link_is_written_through_and_no_pipe_is_read(tmp_path: Path) -> None:
    found = [recipe_of(load_architecture("llama-3.1-8b"), "fp8")]
    place = tmp_path / found[0].name
    for make in (lambda: place.symlink_to(tmp_path / "victim"), lambda: os.mkfifo(place)):
        make()
        with pytest.raises(InputError, match="is there and was not written by this command"):
            write_recipes(found, tmp_path)
        place.unlink()
    assert not (tmp_path / "victim").exists()


@pytest.mark.parametrize("name", ["models/plain", 'a"b\\c', "\U0001f916", "a\udcffb", "line\nend"])
def test_a_recipe_names_any_folder_as_it_is(name: str) -> None:
    text = recipe_of(load_architecture("llama-3.1-8b"), "fp8", name).text
    line = next(line for line in text.splitlines() if line.startswith("model = "))
    assert ast.literal_eval(line.partition(" else ")[2]) == name


def test_what_the_tools_do_not_support_is_refused() -> None:
    with pytest.raises(RefusedError, match="Conv1D"):
        recipe_of(load_architecture("gpt2"), "fp8")
    assert recipe_of(load_architecture("gpt2"), "int4").tool == "GPTQModel"
    with pytest.raises(RefusedError, match="already"):
        recipe_of(load_architecture("llama-3.1-405b-fp8"), "int8")
    with pytest.raises(RefusedError, match="no tool is known"):
        recipe_of(load_architecture("llama-3.1-8b"), "nvfp4")
    unknown = dataclasses.replace(load_architecture("llama-3.1-8b"), model_type="of-tomorrow")
    assert recipe_of(unknown, "int4").tool == "llm-compressor"


def test_nothing_but_an_own_recipe_is_overwritten(tmp_path: Path) -> None:
    found, _ = recipes(load_architecture("llama-3.1-8b"))
    write_recipes(found, tmp_path)
    write_recipes(found, tmp_path)
    (tmp_path / "quantise-fp8.py").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="name another folder"):
        write_recipes(found, tmp_path)
    assert (tmp_path / "quantise-fp8.py").read_text(encoding="utf-8") == "mine"


def test_a_folder_with_a_config_is_a_model(tmp_path: Path) -> None:
    config = {"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    config |= {"intermediate_size": 128, "vocab_size": 1000, "torch_dtype": "bfloat16", "architectures": ["Llama"]}
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    found = recommend(tmp_path, on="h100-sxmx1", load=Load(most_batch=4))
    assert {option.row.batch for option in found.options} == {1, 4}
