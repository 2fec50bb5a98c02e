"""estimate: from a lone user to a full server; what does not fit says how many chips it takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.repository import ROOT

import twentywatts as tw
from twentywatts.cli import main
from twentywatts.errors import InputError, MachineError, ModelError
from twentywatts.estimation.places import batches_of, places_of
from twentywatts.figures import Evidence
from twentywatts.price.decoder_constants import error_model
from twentywatts.readers.architectures import published_figures
from twentywatts.units import convert


def test_without_a_batch_it_goes_from_a_lone_user_to_a_full_server() -> None:
    found = tw.estimate("llama-3.1-8b", on="h100-sxm")
    batches = [row.batch for row in found.rows]
    assert batches[0] == 1
    assert batches[-1] == 256
    energies = [row.ledger.energy_j.mid for row in found.rows]
    assert energies == sorted(energies, reverse=True)
    assert found.answer.startswith("One chat reply (500 tokens in, 300 out) by Llama 3.1 8B costs from ")
    assert "256 at a time on h100-sxm" in found.answer
    assert "a lone user on h100-sxm" in found.answer


def test_a_full_server_is_what_the_memory_holds() -> None:
    found = tw.estimate("llama-3.1-8b", on="h100-sxm", prompt_tokens=30_000, output_tokens=1000)
    room = 0.9 * 80e9
    last = found.rows[-1].batch
    cache = found.model.cache_bytes_per_token * 31_000
    assert found.model.weight_bytes + last * cache <= room < found.model.weight_bytes + 2 * last * cache


def test_numbers_agree_with_each_other() -> None:
    for row in tw.estimate("qwen3-30b-a3b", on="b200", batch="1..64", prompt_tokens=100, output_tokens=50).rows:
        energy, latency = row.ledger.energy_j.mid, row.ledger.latency_s.mid
        assert row.energy_j_per_unit.mid == pytest.approx(energy / 50)
        assert row.power_w.mid == pytest.approx(energy * row.batch / latency)
        assert row.units_per_s.mid == pytest.approx(50 * row.batch / latency)
        assert row.power_w.mid < 1000


def test_a_model_that_does_not_fit_says_how_many_chips_it_takes() -> None:
    with pytest.raises(InputError, match="it takes 2 chips: h100-sxmx2"):
        tw.estimate("llama-3.1-70b", on="h100-sxm", batch=1)
    found = tw.estimate("llama-3.1-70b", on="h100-sxm,h100-sxmx2,tpu-v5e", batch=1)
    assert [row.machine for row in found.rows] == ["h100-sxmx2"]
    assert [refusal.machine for refusal in found.refused] == ["h100-sxm", "tpu-v5e"]
    assert "no power" in found.refused[1].reason


def test_of_a_range_the_batches_that_fit_are_told_and_why_the_others_are_not() -> None:
    found = tw.estimate("llama-3.1-70b", on="h100-sxmx2,b200x2", batch="1..256")
    batches = {name: [row.batch for row in found.rows if row.machine == name] for name in ("h100-sxmx2", "b200x2")}
    assert batches["b200x2"][-1] == 256
    assert batches["h100-sxmx2"] == [1, 2, 4, 8]
    (refusal,) = found.refused
    assert refusal.machine == "h100-sxmx2"
    assert "the cache of 16 requests" in refusal.reason
    with pytest.raises(InputError, match="the cache of 1 request needs"):
        tw.estimate("llama-3.1-70b", on="h100-sxm")


def test_a_config_file_is_read_and_an_onnx_file_goes_through_its_counts(tmp_path: Path) -> None:
    config = {
        "model_type": "llama", "hidden_size": 512, "num_hidden_layers": 4, "num_attention_heads": 8,
        "num_key_value_heads": 8, "intermediate_size": 1024, "vocab_size": 1000, "tie_word_embeddings": False,
        "max_position_embeddings": 4096,
    }  # fmt: skip
    (tmp_path / "config.json").write_text(json.dumps(config))
    for given in (tmp_path, tmp_path / "config.json"):
        assert tw.estimate(given, on="l4", batch=1).rows[0].ledger.energy_j.mid > 0
    pytest.importorskip("onnx")
    found = tw.estimate(ROOT / "examples" / "digits.onnx", on="t4", batch=8)
    assert found.model.kind == "network"
    assert found.rows[0].unit == "inference"


def test_an_encoder_reads_and_writes_nothing() -> None:
    found = tw.estimate("bert-base-uncased", on="l4", batch=8, prompt_tokens=128)
    assert found.answer.startswith("One pass over 128 tokens")
    assert found.rows[0].step_s.mid == 0


@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        ({"model": "lama-3.1-8b"}, ModelError, "did you mean 'llama-3.1-8b'"),
        ({"model": "gpt-4o"}, ModelError, "OpenAI publishes no sizes of 'gpt-4o'"),
        ({"on": "h100-sxn"}, MachineError, "did you mean 'h100-sxm'"),
        ({"on": ""}, InputError, "wants machines"),
        ({"on": "h100-sxmx0"}, MachineError, "unknown machine"),
        ({"batch": 0}, InputError, "the batch must be a whole number"),
        ({"batch": "4..2"}, InputError, "from at least 1"),
        ({"batch": "many"}, InputError, "the batch must be"),
        ({"output_tokens": 0}, InputError, "at least 1, got 0"),
        ({"prompt_tokens": 0}, InputError, "prompt tokens must be between 1"),
        ({"precision": "fp7"}, InputError, "unknown precision 'fp7'"),
        ({"software": "vllm-1999"}, InputError, "unknown software"),
        ({"boundary": "moon"}, InputError, "unknown boundary 'moon'"),
        ({"on": "loihi"}, InputError, "no processor"),
        ({"steps": 30}, InputError, "is a language model: it has no steps"),
        ({"model": "sdxl", "prompt_tokens": 77}, InputError, "is an image or video model: it has no prompt tokens"),
    ],
)
def test_bad_input_says_what_is_wanted(given: dict[str, Any], error: type[Exception], text: str) -> None:
    options: dict[str, Any] = {"model": "llama-3.1-8b", "on": "h100-sxm", "batch": 1} | given
    with pytest.raises(error, match=text):
        tw.estimate(options.pop("model"), **options)


def test_places_and_batches() -> None:
    places = places_of("rtx-4090, mi300xx8 ,h100x2")
    assert [(place.machine.name, place.chip_count) for place in places] == [
        ("rtx-4090", 1),
        ("mi300x", 8),
        ("h100-sxm", 2),
    ]
    assert batches_of("1..100") == (1, 2, 4, 8, 16, 32, 64, 100)
    assert batches_of("3,5") == (3, 5)
    assert batches_of(None) is None


def test_a_wider_boundary_adds_the_host_and_the_building() -> None:
    energies = [
        tw.estimate("llama-3.1-8b", on="h100-sxm", batch=32, boundary=name).rows[0].ledger.energy_j.mid
        for name in ("device", "system", "facility")
    ]
    assert energies == sorted(energies)
    assert energies[2] > 1.2 * energies[0]


def test_the_verb_prints_the_answer_first_and_writes_both_reports(tmp_path: Path, capsys: Any) -> None:
    pytest.importorskip("plotly")
    json_file, html = tmp_path / "e.json", tmp_path / "e.html"
    given = ["estimate", "llama-3.1-8b", "--on", "h100-sxm,b200x8", "--batch", "1..4"]
    assert main([*given, "--json", str(json_file), "--html", str(html)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("One chat reply (500 tokens in, 300 out) by Llama 3.1 8B costs from")
    document = json.loads(json_file.read_text(encoding="utf-8"))
    assert document["schema"] == "twentywatts.estimate/1"
    assert len(document["rows"]) == 6
    wh = convert(document["rows"][0]["energy_j"]["mid"], "J", "Wh")
    assert 0.1 < wh < 1
    page = html.read_text(encoding="utf-8")
    assert "Llama 3.1 8B" in page
    assert "mlenergy2025" in page


def test_what_a_wider_boundary_adds_is_named_and_its_page_has_no_empty_section(tmp_path: Path, capsys: Any) -> None:
    pytest.importorskip("plotly")
    html = tmp_path / "e.html"
    given = ["estimate", "llama-3.1-8b", "--on", "a100-sxm-80", "--batch", "16", "--boundary", "facility"]
    assert main([*given, "--html", str(html)]) == 0
    printed = capsys.readouterr().out
    assert "- host: between nothing and the rating" in printed
    assert "- facility: cooling and power distribution" in printed
    page = html.read_text(encoding="utf-8")
    assert "What this does not cover" not in page
    assert "L0 n %" in page


def test_the_verb_refuses_bad_input_in_one_line(capsys: Any) -> None:
    assert main(["estimate", "llama-3.1-70b", "--on", "h100-sxm"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "h100-sxmx2" in error


def test_a_new_chip_is_one_file() -> None:
    """examples/mygpu.toml, as docs/how/add-a-machine.md uses it: inherited constants, a wider interval."""
    chip = ROOT / "examples" / "mygpu.toml"
    found = tw.estimate("llama-3.1-8b", on=[str(chip), f"{chip}x2", "h100-sxm"], batch=32)
    assert [row.machine for row in found.rows] == ["mygpu", "mygpux2", "h100-sxm"]
    new, known = (found.rows[number].ledger.energy_j.interval for number in (0, 2))
    assert new.high / new.low > known.high / known.low
    assert any("inherited" in note for note in found.rows[0].ledger.notes)


def test_a_file_that_fixes_its_batch_reads_its_weights_in_every_run(tmp_path: Path) -> None:
    """Four at a time: of 4, 8 and 64 inferences each costs the same, but for the call that a batch makes once."""
    onnx = pytest.importorskip("onnx")
    weight = onnx.numpy_helper.from_array(np.ones((3000, 3000), np.float32), "W")
    ends = [onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [4, 3000]) for name in "xy"]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("MatMul", ["x", "W"], ["y"])], "g", ends[:1], ends[1:], [weight]
    )
    path = tmp_path / "four.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9), path)
    rows = tw.estimate(path, on="t4", batch="4,8,64").rows
    energies = [row.ledger.by_part()[row.ledger.entries[0].part].mid for row in rows]
    assert energies == pytest.approx([energies[0]] * 3)


def test_a_model_of_images_reads_one_and_a_model_of_sound_a_clip() -> None:
    image = tw.estimate("vit-base", on="l4", batch=1)
    assert image.answer.startswith("One image (197 tokens) by ViT base")
    assert image.model.cache_bytes_per_token == 0
    with pytest.raises(InputError, match="reads one image"):
        tw.estimate("vit-base", on="l4", batch=1, prompt_tokens=500)
    clip = tw.estimate("whisper-base", on="l4", batch=1)
    assert clip.answer.startswith("One clip of sound (1,500 frames in, 300 tokens out) by Whisper base")
    prompted = tw.estimate("whisper-base", on="l4", batch=1, prompt_tokens=100, output_tokens=400)
    assert "after 100 tokens" in prompted.answer
    assert any("takes 448 tokens, and 500 were asked for" in note for note in prompted.rows[0].ledger.notes)


def test_images_are_tokens_on_top_of_the_prompt_and_work_for_the_tower() -> None:
    found = {images: tw.estimate("llava-1.5-7b", on="h100-sxm", batch=4, images=images) for images in (0, 1, 3)}
    costs = [one.rows[0].ledger.energy_j.mid for one in found.values()]
    assert costs[0] < costs[1] < costs[2]
    assert found[3].answer.startswith("One chat reply (3 images and 500 tokens in, 300 out)")
    assert found[1].use["tokens_per_image"] == 577
    as_text = tw.estimate("llava-1.5-7b", on="h100-sxm", batch=4, prompt_tokens=1077).rows[0].ledger.energy_j.mid
    assert costs[1] > as_text
    with pytest.raises(InputError, match="it has no images"):
        tw.estimate("llama-3.1-8b", on="h100-sxm", images=1)


def test_an_image_is_nothing_to_hear() -> None:
    """The tower of sound keeps its place in the memory and does nothing."""
    (row,) = tw.estimate("qwen3-omni-30b-a3b", on="h100-sxm", batch=1, images=1).rows
    (text,) = tw.estimate("qwen3-omni-30b-a3b", on="h100-sxm", batch=1, prompt_tokens=500 + 576).rows
    assert text.ledger.energy_j.mid < row.ledger.energy_j.mid < 1.1 * text.ledger.energy_j.mid


@pytest.mark.parametrize(("precision", "is_guess"), [("bf16", False), ("fp8", False), ("int4", True), ("fp32", True)])
def test_a_precision_that_no_run_had_is_a_guess_and_wider(precision: str, is_guess: bool) -> None:
    (row,) = tw.estimate("llama-3.1-8b", on="h100-sxm", batch=32, precision=precision).rows
    (usual,) = tw.estimate("llama-3.1-8b", on="h100-sxm", batch=32).rows
    assert (row.ledger.evidence is Evidence.GUESSED) is is_guess
    assert (usual.energy_j_per_unit.high / usual.energy_j_per_unit.mid) ** (
        error_model().unseen_chip if is_guess else 1
    ) == pytest.approx(row.energy_j_per_unit.high / row.energy_j_per_unit.mid, rel=0.02)


def test_a_narrow_cache_holds_more_requests_and_costs_less() -> None:
    long = {"prompt_tokens": 30_000, "output_tokens": 300}
    wide, narrow = (tw.estimate("llama-3.1-8b", on="h100-sxm", cache_precision=cache, **long) for cache in ("", "fp8"))
    assert narrow.model.cache_bytes_per_token == wide.model.cache_bytes_per_token / 2
    assert narrow.rows[-1].batch == 2 * wide.rows[-1].batch
    assert narrow.rows[-1].energy_j_per_unit.mid < wide.rows[-1].energy_j_per_unit.mid
    assert any("a cache of 8 bits: a guess" in note for note in narrow.notes)
    with pytest.raises(InputError, match="keeps no keys and values"):
        tw.estimate("bert-base", on="l4", cache_precision="fp8")


@pytest.mark.parametrize("name", ["gpt-oss-120b", "kimi-k2", "deepseek-v2-lite", "mixtral-8x7b", "glm-4.5"])
def test_parameters_in_use_are_told_as_their_publisher_counts_them(name: str) -> None:
    published = published_figures(name)["active_parameter_count"]
    told = tw.estimate(name, on="b200x16", batch=1).model.active_parameter_count
    assert 0.99 * published.low <= told <= 1.01 * published.high


DRAFT = {"draft": "llama-3.2-1b", "draft_tokens": 4}


def test_a_draft_saves_a_lone_user_what_it_writes_rightly() -> None:
    """At 0.7 a step of the large model writes 2.77 tokens; a draft that is never right costs more than none."""

    def joules(**options: Any) -> tuple[float, float]:
        (row,) = tw.estimate("llama-3.1-70b", on="h100-sxmx4", batch=1, **options).rows
        return row.energy_j_per_unit.mid, row.step_s.mid

    (plain, plain_s), (helped, helped_s), (never, _) = (
        joules(**options) for options in ({}, {**DRAFT, "accepted_frac": 0.7}, {**DRAFT, "accepted_frac": 0.0})
    )
    ahead = (1 - 0.7**5) / (1 - 0.7)
    assert plain / ahead < helped < 0.6 * plain
    assert plain_s / ahead < helped_s < 0.6 * plain_s
    assert never > plain


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        ("llama-3.1-8b", {"draft": "gpt2"}, "missing: draft tokens, accepted frac"),
        ("llama-3.1-8b", {**DRAFT, "accepted_frac": 1.5}, "accepted tokens must be between 0 and 1"),
        ("llama-3.1-8b", {**DRAFT, "draft": "bert-base", "accepted_frac": 0.5}, "'bert-base' cannot be a draft"),
        ("bert-base", {**DRAFT, "accepted_frac": 0.5}, "nothing that a draft could write ahead"),
        ("sdxl", {**DRAFT, "accepted_frac": 0.5}, "it has no draft"),
        ("llama-3.1-8b", {"cached_frac": 1.5}, "the cached share of the prompt must be between 0 and 1"),
    ],
)
def test_what_cannot_help_a_request_is_named(model: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        tw.estimate(model, on="h100-sxm", batch=1, **options)


def test_a_prompt_that_is_kept_is_not_read_again() -> None:
    fresh, kept = (
        tw.estimate("llama-3.1-8b", on="h100-sxm", batch=8, prompt_tokens=8000, output_tokens=1, cached_frac=share)
        for share in (0.0, 0.9)
    )
    assert kept.rows[0].ledger.energy_j.mid < 0.3 * fresh.rows[0].ledger.energy_j.mid


def test_a_mistyped_model_that_draws_is_told_its_name() -> None:
    with pytest.raises(ModelError, match=r"did you mean 'wan2.1-t2v-1.3b-diffusers'\?"):
        tw.estimate("wan2.1-t2v-1.3", on="h100-sxm")
