"""Bundled architectures: their parameters are the published ones; and every way to name a model."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from tests.support.repository import PACKAGE, ROOT

from twentywatts.counting.decoder import cache_bytes_per_token, state_bytes_per_sequence
from twentywatts.counting.parameters import active_parameter_count, parameter_count
from twentywatts.errors import ModelError
from twentywatts.figures import GRADES
from twentywatts.readers.architectures import architecture_names, load_architecture, published_figures
from twentywatts.readers.decoder import model_types, read_config

FILES = sorted((PACKAGE / "data" / "architectures").glob("*.toml"))
TABLES = {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in FILES}
NAMES = architecture_names()
# base models of the public benchmarks that the price is fitted to and validated on, as they call them
BENCHMARKED = """
Qwen/Qwen3-VL-235B-A22B-Instruct-FP8 Qwen/Qwen3-VL-235B-A22B-Instruct Qwen/Qwen3-32B
Qwen/Qwen3-235B-A22B-Instruct-2507 Qwen/Qwen3-30B-A3B-Instruct-2507 Qwen/Qwen3-8B nvidia/NVIDIA-Nemotron-Nano-9B-v2
Qwen/Qwen3-VL-30B-A3B-Instruct nvidia/NVIDIA-Nemotron-Nano-12B-v2 Qwen/Qwen3-Omni-30B-A3B-Instruct Qwen/Qwen3-14B
Qwen/Qwen3-VL-32B-Instruct Qwen/Qwen3-VL-8B-Instruct Qwen/Qwen3-Coder-30B-A3B-Instruct
Qwen/Qwen3-235B-A22B-Instruct-2507-FP8 Qwen/Qwen3-235B-A22B-Thinking-2507-FP8 meta-llama/Llama-3.1-70B-Instruct
meta-llama/Llama-3.1-8B-Instruct meta-llama/Llama-3.3-70B-Instruct Qwen/Qwen3-235B-A22B-Thinking-2507
deepseek-ai/DeepSeek-V3.1 Qwen/Qwen3-Coder-480B-A35B-Instruct-FP8 Qwen/Qwen3-30B-A3B-Thinking-2507
meta-llama/Llama-3.1-405B-Instruct-FP8 meta-llama/Llama-3.1-405B-Instruct Qwen/Qwen3-Coder-480B-A35B-Instruct
deepseek-ai/DeepSeek-R1-0528 nvidia/NVIDIA-Nemotron-Nano-12B-v2-VL-BF16 mistralai/Mixtral-8x22B-Instruct-v0.1
google/codegemma-1.1-2b mistralai/Mixtral-8x7B-Instruct-v0.1 meta-llama/Meta-Llama-3.1-70B-Instruct
google/gemma-2-2b-it mistralai/Mistral-7B-Instruct-v0.3 mistralai/Mistral-Large-Instruct-2407 google/codegemma-7b
google/gemma-2-9b-it meta-llama/Meta-Llama-3.1-8B-Instruct microsoft/Phi-3-small-8k-instruct bigcode/starcoder2-3b
bigcode/starcoder2-7b codellama/CodeLlama-34b-hf codellama/CodeLlama-70b-hf codellama/CodeLlama-7b-hf
google/gemma-2-27b-it bigcode/starcoder2-15b mistralai/Mistral-Nemo-Instruct-2407 microsoft/Phi-3-medium-4k-instruct
llava-hf/llama3-llava-next-8b-hf llava-hf/llava-1.5-7b-hf microsoft/Phi-3-mini-4k-instruct codellama/CodeLlama-13b-hf
facebook/chameleon-30b meta-llama/Meta-Llama-3.1-405B-Instruct facebook/chameleon-7b
microsoft/Phi-3-vision-128k-instruct llava-hf/llava-1.5-13b-hf bert-99.9 gptj-99 llama2-70b-99.9
gpt-3 bloom llama-2-7b llama-2-13b llama-2-70b llama-3-8b llama-3-70b llama-3.2-1b llama-3.2-3b llama-4-scout
llama-4-maverick opt-175b palm glam t5-11b xlm-r
""".split()


@pytest.mark.parametrize("name", NAMES)
def test_the_parameters_are_the_published_ones(name: str) -> None:
    """Within one per cent of the published number; a number of two digits holds the interval of its rounding."""
    architecture, published = load_architecture(name), published_figures(name)
    tables = TABLES[name].get("active_tables", "both")
    counted = {
        "parameter_count": parameter_count(architecture),
        "active_parameter_count": active_parameter_count(architecture, tables=tables),
    }
    assert "parameter_count" in published
    for key, figure in published.items():
        outside = max(0.0, figure.low - counted[key], counted[key] - figure.high)
        assert outside <= 0.01 * figure.value, (key, counted[key], figure.value)


def test_where_the_publisher_counts_to_the_last_digit_so_do_we() -> None:
    """GPT-J's card has 2,498,560 more than its file: 610 rows of width 4096 that its vocabulary does not have."""
    exact = {
        name: figure for name in NAMES if (figure := published_figures(name)["parameter_count"]).high - figure.low < 3
    }
    assert len(exact) >= 30
    off = {name: parameter_count(load_architecture(name)) - figure.value for name, figure in exact.items()}
    assert {name: round(difference) for name, difference in off.items() if abs(difference) > 1} == {
        "gpt-j-6b": -2_498_560
    }


@pytest.mark.parametrize("name", [name for name in NAMES if "active_parameter_count" not in published_figures(name)])
def test_a_dense_model_meets_all_its_parameters(name: str) -> None:
    architecture = load_architecture(name)
    if not architecture.towers and not architecture.is_routed and not architecture.main.lookup_parameter_count:
        assert active_parameter_count(architecture) == parameter_count(architecture)


# what the readers leave out or add, by family; the reasons stand in docs/validation/architectures.md
DIFFERENT = {"deepseek_v3": 24, "glm4_moe": 24, "clip": -1, "siglip": -2, "gemma3": -526_848, "chameleon": -29_423_616}
FAMILIES = json.loads((Path(__file__).parent / "families.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("entry", FAMILIES, ids=[entry["config"]["model_type"] for entry in FAMILIES])
def test_a_family_has_the_parameters_of_the_library_that_writes_its_files(entry: dict[str, Any]) -> None:
    """The sums are of tiny models that transformers built from the same fields (bench/check_architectures.py)."""
    config = entry["config"]
    counted = parameter_count(read_config(config, name="tiny"))
    assert counted - entry["parameter_count"] == DIFFERENT.get(config["model_type"], 0)


def test_nearly_every_family_was_compared_with_the_library() -> None:
    """What it does not have: names of files from elsewhere, and families that share another one's reader."""
    compared = {entry["config"]["model_type"] for entry in FAMILIES}
    elsewhere = {"phi3small", "phi3_v", "nemotron_h", "transformer", "qwen3_omni_moe", "deepseek_v32", "kimi_k2"}
    alike = {"camembert", "xlm-roberta", "deit", "chameleon_text", "llama4", "RefinedWeb", "RefinedWebModel"}
    assert set(model_types()) - compared == elsewhere | alike


def test_there_are_many_and_all_that_benchmarks_name() -> None:
    assert len(NAMES) >= 40
    for name in BENCHMARKED:
        assert load_architecture(name).origin == "bundled"
        assert load_architecture(name.upper()) is load_architecture(name)


def test_an_alias_names_one_model() -> None:
    seen: dict[str, str] = {}
    for name, table in TABLES.items():
        for alias in (name, *table["aliases"]):
            assert seen.setdefault(alias.lower(), name) == name, alias
    for name in NAMES:
        assert load_architecture(name).name == name


@pytest.mark.parametrize("name", NAMES)
def test_a_file_says_where_its_sizes_come_from(name: str) -> None:
    table = TABLES[name]
    assert table["schema"] == "twentywatts.architecture/1"
    assert table["name"] == name
    assert table["read"]["grade"] in GRADES
    assert table["read"]["where"]
    unknown = table.keys() - {
        "schema",
        "name",
        "title",
        "year",
        "aliases",
        "notes",
        "active_tables",
        "read",
        "figures",
        "config",
    }
    assert not unknown


def test_the_publisher_is_cited_beside_the_copy_that_was_read() -> None:
    assert load_architecture("bert-large").sources == ("keras-nlp", "devlin2018")
    assert load_architecture("gemma-2-2b").sources == (TABLES["gemma-2-2b"]["read"]["source"],)


def test_what_nobody_could_read_is_listed() -> None:
    """Sizes that were read nowhere, and published counts that were recalled, stand in the list of the unverified."""
    page = (ROOT / "docs" / "method" / "figures-unverified.md").read_text(encoding="utf-8")
    section = page.partition("## Architectures")[2].partition("\n## ")[0]
    listed = set(re.findall(r"`([^`]+)`", section))
    derived = {name for name, table in TABLES.items() if table["read"]["grade"] == "derived"}
    guessed = {name for name in NAMES if any(figure.grade == "guess" for figure in published_figures(name).values())}
    assert derived | guessed <= listed


def test_fp8_and_mxfp4_are_read_from_the_file() -> None:
    fp8, mxfp4 = load_architecture("deepseek-v3"), load_architecture("gpt-oss-20b")
    assert (fp8.precision, fp8.stored.linear, fp8.stored.experts, fp8.stored.other) == ("fp8", 8, 8, 16)
    assert (mxfp4.precision, mxfp4.stored.linear, mxfp4.stored.experts) == ("mxfp4", 16, 4.25)


CONFIG: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "vocab_size": 100,
}


def test_a_folder_and_a_file_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "mymodel"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(CONFIG))
    for given in (folder, folder / "config.json", str(folder)):
        found = load_architecture(given)
        assert found.name == "mymodel"
        assert parameter_count(found) == 2 * 100 * 64 + 2 * (4 * 64**2 + 3 * 64 * 128 + 2 * 64) + 64


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not json", "is not JSON"),
        (b"\xff\xfe\x00", "not UTF-8 text"),
        (b"[1, 2]", "holds no JSON object"),
        (b"[" * 100_000, "is not JSON"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "nested more than 32 deep"),
        (b'{"hidden_size": ' + b"9" * 5000 + b"}", "is not JSON"),
        (b" " * 4_000_001, "larger than 4,000,000 bytes"),
        (b"{}", "'model_type' is missing"),
        (b'{"model_type": 5}', "'model_type' must be a text, got 5"),
        (b'{"model_type": "\\u001b[31mfoo"}', r"model_type ' \[31mfoo' is not known"),
        (b'{"model_type": "lama"}', r"model_type 'lama' is not known \(did you mean 'llama'\?\); give its sizes"),
    ],
)
def test_a_file_that_is_no_config_is_refused_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=message) as caught:
        load_architecture(path)
    assert "\n" not in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": -4096}, "'hidden_size' must be a whole number from 1 to 100,000,000, got -4096"),
        ({"hidden_size": 0}, "'hidden_size' must be a whole number"),
        ({"hidden_size": 10**15}, "'hidden_size' must be .* got 1000000000000000"),
        ({"hidden_size": "4096"}, "'hidden_size' must be .* got '4096'"),
        ({"hidden_size": True}, "'hidden_size' must be .* got True"),
        ({"hidden_size": float("nan")}, "'hidden_size' must be .* got nan"),
        (
            {"hidden_size": None},
            "'hidden_size' or 'n_embd' or 'n_embed' or 'd_model' or 'dim' or 'model_dim' is missing",
        ),
        ({"num_hidden_layers": 10**9}, "'num_hidden_layers' must be a whole number from 1 to 10,000"),
        ({"num_attention_heads": 7}, "'num_attention_heads' must be a divisor of hidden_size 64, got 7"),
        ({"num_key_value_heads": 3}, "'num_key_value_heads' must be a divisor of the 4 attention heads, got 3"),
        ({"vocab_size": [1]}, r"'vocab_size' must be .* got \[1\]"),
        ({"tie_word_embeddings": "yes"}, "'tie_word_embeddings' must be true or false, got 'yes'"),
        ({"quantization_config": {"quant_method": "magic"}}, "quantization method 'magic' is not known, known: fp8"),
        ({"quantization_config": {"quant_method": "gptq", "bits": 3}}, "'quantization_config.bits' must be 4 or 8"),
        ({"quantization_config": "fp8"}, "'quantization_config' must be a table"),
        ({"model_type": "mixtral"}, "'num_experts' or .* is missing"),
        ({"model_type": "mixtral", "num_experts": 4, "num_experts_per_tok": 5}, "'num_experts_per_tok' must be"),
        ({"model_type": "gemma2", "layer_types": ["full_attention"]}, "'layer_types' must be a list of 2 layers"),
        ({"model_type": "nemotron_h", "hybrid_override_pattern": "MX"}, "'hybrid_override_pattern' must be 2 letters"),
        ({"model_type": "llava"}, "'text_config' is missing"),
        ({"model_type": "llava", "text_config": 7}, "'text_config' must be a table"),
        (
            {"model_type": "llava", "text_config": {"model_type": "llama"}, "vision_config": {"model_type": "eye"}},
            "'vision_config.model_type' is 'eye', known: clip_vision_model",
        ),
    ],
)
def test_nonsense_is_refused_by_name_and_value(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(CONFIG | changes))
    with pytest.raises(ModelError, match=message):
        load_architecture(path)


def test_a_part_that_leaves_a_size_out_means_the_library_s_own(tmp_path: Path) -> None:
    """LLaVA's published file gives of its text model no more than the vocabulary."""
    config = {
        "model_type": "llava",
        "text_config": {"model_type": "llama", "vocab_size": 32064},
        "vision_config": {
            "model_type": "clip_vision_model",
            "hidden_size": 1024,
            "intermediate_size": 4096,
            "num_hidden_layers": 24,
            "num_attention_heads": 16,
            "image_size": 336,
            "patch_size": 14,
        },
    }
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert parameter_count(load_architecture(tmp_path)) == parameter_count(load_architecture("llava-1.5-7b"))


def test_an_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(ModelError, match=r"unknown model 'lama-3.1-8b' \(did you mean 'llama-3.1-8b'\?\)"):
        load_architecture("lama-3.1-8b")
    with pytest.raises(ModelError, match=r"does not exist: wanted the config\.json"):
        load_architecture("nowhere/config.json")


@pytest.mark.parametrize(
    ("table", "precision", "bits"),
    [
        ({"quant_method": "fp8"}, "fp8", 8.0),
        ({"quant_method": "awq", "bits": 4}, "int4", 4.15625),
        ({"quant_method": "gptq", "bits": 8}, "int8-weights", 8.0),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "int4", 4.15625),
        ({"quant_method": "modelopt", "quant_algo": "NVFP4"}, "nvfp4", 4.5),
        ({"quant_algo": "FP8"}, "fp8", 8.0),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {
                    "group_0": {"weights": {"num_bits": 8, "type": "int"}, "input_activations": {"num_bits": 8}}
                },
            },
            "int8",
            8.0,
        ),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"g": {"weights": {"num_bits": 4, "type": "float"}}},
            },
            "nvfp4",
            4.5,
        ),
    ],
)
def test_quantised_weights_are_read(tmp_path: Path, table: dict[str, Any], precision: str, bits: float) -> None:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | {"quantization_config": table}))
    found = load_architecture(tmp_path)
    assert (found.precision, found.stored.linear, found.stored.other) == (precision, bits, 16)


def test_falcon_40b_is_the_same_under_the_name_of_its_first_release() -> None:
    """The first files say RefinedWeb, heads as n_head_kv, and nothing of an architecture."""
    first = {"model_type": "RefinedWeb", "n_layer": 60, "n_head": 128, "n_head_kv": 8, "bias": False}
    found = read_config(first | {"hidden_size": 8192, "vocab_size": 65024}, name="first")
    assert found.main == load_architecture("falcon-40b").main


def test_windows_may_be_given_as_a_word() -> None:
    """EXAONE 4: LLLG is three layers that look back so far, then one that looks all the way."""
    config = CONFIG | {"model_type": "exaone4", "num_hidden_layers": 8, "sliding_window": 64}
    by_word, by_number = (
        read_config(config | {"sliding_window_pattern": pattern}, name="tiny") for pattern in ("LLLG", 4)
    )
    assert by_word.main == by_number.main
    counts = {group.mixer.window_tokens: group.count for group in by_word.main.layers}  # type: ignore[union-attr]
    assert counts == {64: 6, 0: 2}


def test_a_parallel_hybrid_keeps_a_cache_and_a_state_in_every_layer() -> None:
    """Falcon-H1 7B by hand: 44 layers of 2 key-value heads of 128, and 24 heads of 128 with a state of 256 each."""
    sizes = {"hidden_size": 3072, "intermediate_size": 12288, "num_hidden_layers": 44, "vocab_size": 130048}
    heads = {"num_attention_heads": 12, "num_key_value_heads": 2, "head_dim": 128, "mamba_rms_norm": False}
    state = {"mamba_n_heads": 24, "mamba_d_head": 128, "mamba_d_state": 256, "mamba_n_groups": 1, "mamba_d_ssm": 3072}
    found = read_config({"model_type": "falcon_h1"} | sizes | heads | state, name="falcon-h1-7b")
    assert cache_bytes_per_token(found) == 44 * 2 * 2 * 128 * 2
    kept = 24 * 128 * 256 + 4 * (3072 + 2 * 256)
    assert state_bytes_per_sequence(found) == 44 * kept * 2


def test_quantisation_is_found_under_its_older_name_and_in_the_language_model() -> None:
    """Files of 2024 say compression_config; some models that see quantise their text part alone."""
    weights = {"num_bits": 8, "type": "float"}
    table = {"quant_method": "compressed-tensors", "format": "float-quantized"}
    table |= {"config_groups": {"group_0": {"weights": weights, "input_activations": weights}}}
    assert read_config(CONFIG | {"compression_config": table}, name="old").precision == "fp8"
    vision = {"model_type": "clip_vision_model"}
    parts = {"model_type": "llava", "vision_config": vision, "text_config": CONFIG | {"quantization_config": table}}
    assert read_config(parts, name="sees").precision == "fp8"
