"""Language models counted: against torch's own counter on models built by hand, published sizes, properties."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twentywatts.counting.context import prefill_pairs, seen_per_step, touched_frac
from twentywatts.counting.decoder import (
    cache_bytes_per_token,
    decoder_workload,
    state_bytes_per_sequence,
    weight_bytes,
)
from twentywatts.counting.parameters import active_parameter_count, parameter_count
from twentywatts.counting.precision import precision_of
from twentywatts.counting.use import DecoderUse, Speculation
from twentywatts.errors import InputError
from twentywatts.readers.architectures import load_architecture
from twentywatts.readers.decoder import read_config
from twentywatts.workload_decoder import DecoderWorkload, Parallelism

TINY: dict[str, Any] = {
    "model_type": "llama",
    "hidden_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "intermediate_size": 80,
    "vocab_size": 97,
}
ROUTED = TINY | {
    "model_type": "qwen3_moe",
    "num_experts": 5,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 28,
}


def use(**changes: Any) -> DecoderUse:
    return DecoderUse(**({"batch": 1, "prompt_tokens": 7, "output_tokens": 5} | changes))


class ByHand:
    """The same tiny decoder in torch: every product a matmul, keys and values kept token by token."""

    def __init__(self, config: dict[str, Any]) -> None:
        import torch

        self.torch, self.config = torch, config
        width, kv = config["hidden_size"], config["num_key_value_heads"] * config["head_dim"]
        queries = config["num_attention_heads"] * config["head_dim"]
        self.weights: dict[str, Any] = {}
        for layer in range(config["num_hidden_layers"]):
            shapes = {"q": (queries, width), "k": (kv, width), "v": (kv, width), "o": (width, queries)}
            experts = config.get("num_experts", 0)
            if experts:
                shapes["router"] = (experts, width)
            size = config.get("moe_intermediate_size", config["intermediate_size"])
            for expert in range(experts or 1):
                shapes |= {f"gate{expert}": (size, width), f"up{expert}": (size, width), f"down{expert}": (width, size)}
            shapes |= {"norm1": (width,), "norm2": (width,)}
            if config["model_type"] == "qwen3_moe":
                shapes |= {"q_norm": (config["head_dim"],), "k_norm": (config["head_dim"],)}
            self.weights |= {f"{layer}.{name}": torch.ones(shape) * 0.01 for name, shape in shapes.items()}
        self.weights |= {"embedding": torch.ones(config["vocab_size"], width)}
        self.weights |= {"head": torch.ones(config["vocab_size"], width), "norm": torch.ones(width)}
        self.cache: list[list[tuple[Any, Any]]] = [[] for _ in range(config["num_hidden_layers"])]
        self.touched: set[str] = {"norm", "head"}

    def matmul(self, name: str, x: Any) -> Any:
        self.touched.add(name)
        return x @ self.weights[name].T

    def step(self, *, head: bool) -> None:
        torch, config = self.torch, self.config
        heads, kv_heads, size = config["num_attention_heads"], config["num_key_value_heads"], config["head_dim"]
        x = torch.ones(1, config["hidden_size"])
        for layer, seen in enumerate(self.cache):
            self.touched |= {name for name in self.weights if name.startswith(f"{layer}.") and "norm" in name}
            query = self.matmul(f"{layer}.q", x).view(heads, 1, size)
            key = self.matmul(f"{layer}.k", x).view(kv_heads, 1, size)
            value = self.matmul(f"{layer}.v", x).view(kv_heads, 1, size)
            seen.append((key, value))
            keys = torch.cat([k for k, _ in seen], 1).repeat_interleave(heads // kv_heads, 0)
            values = torch.cat([v for _, v in seen], 1).repeat_interleave(heads // kv_heads, 0)
            mixed = torch.bmm(torch.bmm(query, keys.transpose(1, 2)), values)
            x = x + self.matmul(f"{layer}.o", mixed.reshape(1, -1))
            chosen = range(config.get("num_experts_per_tok", 1))
            if "num_experts" in config:
                self.matmul(f"{layer}.router", x)
            for expert in chosen:
                inner = self.matmul(f"{layer}.gate{expert}", x) * self.matmul(f"{layer}.up{expert}", x)
                x = x + self.matmul(f"{layer}.down{expert}", inner)
        if head:
            self.matmul("head", x)

    def macs(self, *heads: bool) -> int:
        from torch.utils.flop_counter import FlopCounterMode

        with FlopCounterMode(display=False) as counter:
            for head in heads:
                self.step(head=head)
        return int(counter.get_total_flops()) // 2


@pytest.mark.torch
@pytest.mark.parametrize("config", [TINY, ROUTED], ids=["dense", "routed"])
def test_a_tiny_decoder_counted_by_torch_s_own_counter_takes_exactly_as_much(config: dict[str, Any]) -> None:
    pytest.importorskip("torch")
    model = ByHand(config)
    architecture = read_config(config, name="tiny")
    assert parameter_count(architecture) == sum(weight.numel() for weight in model.weights.values())
    counted = decoder_workload(architecture, use())
    prompt = model.macs(*[False] * 6, True)
    assert counted.prefill.mac_count == prompt
    written = model.macs(*[True] * 4)
    assert counted.step_count == 4
    assert counted.decode.mac_count * 4 == pytest.approx(written, rel=1e-12)
    met = sum(model.weights[name].numel() for name in model.touched)
    assert counted.decode.weight_bytes == pytest.approx(2 * met, rel=1e-12)
    held = sum(key.numel() + value.numel() for seen in model.cache for key, value in seen)
    assert cache_bytes_per_token(architecture) * 11 == 2 * held


@pytest.mark.parametrize(
    ("name", "bytes_per_token"),
    [("deepseek-v3", 70_272), ("qwen2.5-72b", 327_680), ("llama-3.1-405b", 516_096), ("llama-2-7b", 524_288)],
)
def test_the_cache_of_a_token_is_what_was_published(name: str, bytes_per_token: int) -> None:
    """DeepSeek's comparison of caches (arXiv:2505.09343, table 1: 70.272, 327.680 and 516.096 KB)."""
    assert cache_bytes_per_token(load_architecture(name)) == bytes_per_token


def test_the_weights_of_quantised_models_take_what_their_files_take() -> None:
    """The 120 and 20 billion parameters of gpt-oss: 60.8 and 12.8 GiB of checkpoint (model card, table 1)."""
    assert weight_bytes(load_architecture("gpt-oss-120b")) / 2**30 == pytest.approx(60.8, rel=0.01)
    assert weight_bytes(load_architecture("gpt-oss-20b")) / 2**30 == pytest.approx(12.8, rel=0.01)


def test_windows_bound_what_is_seen() -> None:
    gemma = load_architecture("gemma-3-27b")
    short, long = (decoder_workload(gemma, use(prompt_tokens=length)).decode for length in (500, 100_000))
    per_token = cache_bytes_per_token(gemma)
    assert short.cache_read_bytes == pytest.approx(per_token * 502.5)
    full = 10 / 62  # every sixth of 62 layers
    assert long.cache_read_bytes == pytest.approx(per_token * (full * 100_002.5 + (1 - full) * 1024))


def test_a_state_does_not_grow() -> None:
    mamba = load_architecture("mamba-2.8b")
    short, long = (decoder_workload(mamba, use(prompt_tokens=length)) for length in (10, 10_000))
    assert short.decode.cache_read_bytes == long.decode.cache_read_bytes == state_bytes_per_sequence(mamba)
    assert short.cache_bytes == long.cache_bytes
    hybrid = load_architecture("nemotron-nano-9b-v2")
    assert cache_bytes_per_token(hybrid) == 4 * 2 * 8 * 128 * 2
    state, convolution = 128 * 80 * 128, (128 * 80 + 2 * 8 * 128) * 4
    assert state_bytes_per_sequence(hybrid) == 27 * 4 * (state + convolution)


def test_latents_are_copied_to_every_chip_and_heads_only_when_they_run_out() -> None:
    latent, grouped = load_architecture("deepseek-v3"), load_architecture("llama-3.1-70b")
    reads = [decoder_workload(latent, use(), parallelism=Parallelism(tensor=t)).decode.cache_read_bytes for t in (1, 8)]
    assert reads[1] == 8 * reads[0]
    reads = [
        decoder_workload(grouped, use(), parallelism=Parallelism(tensor=t)).decode.cache_read_bytes for t in (1, 8, 16)
    ]
    assert reads[0] == reads[1] == reads[2] / 2


def test_parallelism_moves_bytes_and_leaves_products() -> None:
    routed = load_architecture("qwen3-30b-a3b")
    alone = decoder_workload(routed, use(batch=64))
    tensor = decoder_workload(routed, use(batch=64), parallelism=Parallelism(tensor=4))
    spread = decoder_workload(routed, use(batch=64), parallelism=Parallelism(data=4, expert=4))
    copies = decoder_workload(routed, use(batch=64), parallelism=Parallelism(data=4))
    for other in (tensor, spread, copies):
        assert other.decode.mac_count == alone.decode.mac_count
    assert alone.decode.collective_bytes == 0
    assert alone.decode.collective_count == 0
    assert tensor.decode.weight_bytes == alone.decode.weight_bytes
    assert spread.decode.experts.weight_bytes == alone.decode.experts.weight_bytes
    assert spread.decode.linear.weight_bytes == 4 * alone.decode.linear.weight_bytes
    assert copies.decode.experts.weight_bytes > 2 * alone.decode.experts.weight_bytes
    assert copies.weight_bytes == 4 * alone.weight_bytes
    # two ring all-reduces per layer of 2 (t - 1) times 64 tokens of 2048 values, and the logits once
    logits = 64 * 151_936 * 2 * 3 / 4
    assert tensor.decode.collective_bytes == 48 * 2 * 6 * 64 * 2048 * 2 + logits
    assert spread.decode.collective_bytes == pytest.approx(64 * 2 * 48 * 8 * 0.75 * 2048 * 2)


def test_speculation_trades_products_for_steps() -> None:
    big, small = load_architecture("llama-3.1-70b"), load_architecture("llama-3.2-1b")
    plain = decoder_workload(big, use(output_tokens=101))
    ahead = Speculation(draft_tokens=4, acceptance_frac=0.8, draft=small)
    drafted = decoder_workload(big, use(output_tokens=101, speculation=ahead))
    assert ahead.tokens_per_step == pytest.approx(1 + 0.8 + 0.64 + 0.512 + 0.4096)
    assert drafted.step_count == pytest.approx(100 / ahead.tokens_per_step)
    draft_step = decoder_workload(small, use(output_tokens=101)).decode
    assert drafted.decode.weight_bytes == plain.decode.weight_bytes + 4 * draft_step.weight_bytes
    assert drafted.decode.mac_count == pytest.approx(5 * plain.decode.mac_count + 4 * draft_step.mac_count)
    assert Speculation(draft_tokens=3, acceptance_frac=1.0, draft_frac=0.1).tokens_per_step == 4
    assert Speculation(draft_tokens=3, acceptance_frac=0.0, draft_frac=0.1).tokens_per_step == 1


def test_images_are_read_once_and_only_where_there_are_any() -> None:
    seeing, blind = load_architecture("qwen3-vl-8b"), load_architecture("qwen3-8b")
    none = decoder_workload(seeing, use())
    assert none.prefill.mac_count == decoder_workload(blind, use()).prefill.mac_count
    one, two = (decoder_workload(seeing, use(inputs=count)) for count in (1, 2))
    assert one.prefill.weight_bytes == two.prefill.weight_bytes > none.prefill.weight_bytes
    assert two.prefill.mac_count - one.prefill.mac_count == one.prefill.mac_count - none.prefill.mac_count
    assert one.decode.mac_count == none.decode.mac_count


def test_an_encoder_reads_and_does_not_write() -> None:
    bert = load_architecture("bert-large")
    counted = decoder_workload(bert, DecoderUse(prompt_tokens=384, output_tokens=0))
    assert counted.step_count == 0
    # 24 layers of 12 h² matrices, and two products of every pair of tokens over h values
    assert counted.prefill.mac_count == pytest.approx(384 * 24 * (12 * 1024**2 + 2 * 384 * 1024), rel=1e-9)
    with pytest.raises(InputError, match="only reads: output tokens must be 0"):
        decoder_workload(bert, use())


def test_speech_is_read_once_and_attended_to_at_every_step() -> None:
    whisper = load_architecture("whisper-large-v3")
    counted = decoder_workload(whisper, use(prompt_tokens=4, output_tokens=101))
    width, layers = 1280, 32
    own = layers * 2 * width * 2 * (4 + 50.5)
    other = layers * 2 * width * 2 * 1500
    assert counted.decode.cache_read_bytes == pytest.approx(own + other)
    encoder_products = 1500 * layers * (12 * width**2 + 2 * 1500 * width)
    assert counted.prefill.mac_count > encoder_products


def test_a_cached_prompt_is_not_read_again() -> None:
    llama = load_architecture("llama-3.1-8b")
    whole, rest = (decoder_workload(llama, use(prompt_tokens=1000, cached_prompt_frac=f)) for f in (0.0, 0.75))
    assert rest.prefill.linear.mac_count == whole.prefill.linear.mac_count / 4
    assert rest.prefill.attention_mac_count > whole.prefill.attention_mac_count / 4
    assert rest.decode.mac_count == whole.decode.mac_count


@given(prompt=st.integers(1, 60), written=st.integers(1, 30), window=st.integers(0, 40))
def test_pairs_are_those_that_one_counts_one_by_one(prompt: int, written: int, window: int) -> None:
    def seen(position: int) -> int:
        return min(position, window) if window else position

    assert prefill_pairs(np.array(float(prompt)), window_tokens=window) == sum(map(seen, range(1, prompt + 1)))
    one_by_one = sum(seen(prompt + step) for step in range(1, written + 1)) / written
    found = seen_per_step(np.array(float(prompt)), np.array(float(written)), window_tokens=window)
    assert found == pytest.approx(one_by_one)


@given(tokens=st.floats(1, 1e6), experts=st.integers(1, 512), data=st.data())
def test_a_share_of_experts_is_touched(tokens: float, experts: int, data: st.DataObject) -> None:
    chosen = data.draw(st.integers(1, experts))
    share = float(touched_frac(np.array(tokens), expert_count=experts, per_token=chosen))
    assert chosen / experts * (1 - 1e-12) <= share <= 1
    assert float(touched_frac(np.array(1e9), expert_count=experts, per_token=chosen)) == pytest.approx(1)


NAMES = ("llama-3.1-8b", "qwen3-30b-a3b", "gpt-oss-20b", "deepseek-v3", "gemma-2-9b", "jamba-v0.1", "qwen3-vl-8b")


@given(
    name=st.sampled_from(NAMES), batch=st.floats(1, 4096), prompt=st.integers(1, 20_000), output=st.integers(2, 5000)
)
def test_more_work_never_takes_less(name: str, batch: float, prompt: int, output: int) -> None:
    architecture = load_architecture(name)

    def counted(factor: float, more: int) -> DecoderWorkload:
        asked = DecoderUse(batch=batch * factor, prompt_tokens=prompt + more, output_tokens=output)
        return decoder_workload(architecture, asked)

    one, twice, longer = counted(1, 0), counted(2, 0), counted(1, 100)
    assert twice.decode.mac_count == pytest.approx(2 * one.decode.mac_count)
    assert one.decode.weight_bytes <= twice.decode.weight_bytes <= 2 * one.decode.weight_bytes
    dense = active_parameter_count(architecture, tables="head") * min(architecture.stored.experts, 16) / 8 * 0.2
    assert dense <= one.decode.weight_bytes <= weight_bytes(architecture) * (1 + 1e-12)
    for phase in ("prefill", "decode"):
        assert getattr(longer, phase).mac_count >= getattr(one, phase).mac_count
        assert getattr(longer, phase).cache_read_bytes >= getattr(one, phase).cache_read_bytes
    assert one.resident_bytes <= longer.resident_bytes


def test_arrays_broadcast_and_agree_with_single_numbers() -> None:
    llama = load_architecture("qwen3-30b-a3b")
    batch, prompt = np.array([1.0, 8.0, 64.0])[:, None], np.array([10, 1000])
    many = decoder_workload(llama, use(batch=batch, prompt_tokens=prompt))
    for row, size in enumerate((1, 8, 64)):
        for column, length in enumerate((10, 1000)):
            one = decoder_workload(llama, use(batch=size, prompt_tokens=length))
            assert many.decode.weight_bytes[row, column] == pytest.approx(float(one.decode.weight_bytes))
            assert many.prefill.mac_count[row, column] == pytest.approx(float(one.prefill.mac_count))
            assert many.resident_bytes[row, column] == pytest.approx(float(one.resident_bytes))


@pytest.mark.parametrize(
    ("name", "linear", "operands"),
    [("bf16", 16, 16), ("fp32", 32, 32), ("fp8", 8, 8), ("int8", 8, 8), ("int4", 4.15625, 16), ("nvfp4", 4.5, 4)],
)
def test_a_precision_sets_bytes_and_operands(name: str, linear: float, operands: int) -> None:
    llama = load_architecture("llama-3.1-8b")
    held = precision_of(llama, name, cache_name="fp8")
    counted = decoder_workload(llama, use(), precision=held)
    matrices = 32 * (4096 * (4096 + 2048) + 4096**2 + 3 * 4096 * 14336)
    assert counted.decode.linear.weight_bytes == matrices * linear / 8
    assert counted.linear_operand_bits == operands
    assert counted.decode.cache_write_bytes == 32 * 2 * 8 * 128
    other = 128256 * 4096 + 65 * 4096  # the head, and two norms a layer with the last
    assert counted.decode.other.weight_bytes == other * max(linear, 16) / 8


def test_what_cannot_be_is_refused_by_name_and_value() -> None:
    llama, routed = load_architecture("llama-3.1-8b"), load_architecture("mixtral-8x7b")
    with pytest.raises(InputError, match=r"prompt tokens must be between 1 and 1e\+09, got 0"):
        use(prompt_tokens=0)
    with pytest.raises(InputError, match=r"output tokens must be between 0 and .*, got -3"):
        use(output_tokens=-3)
    with pytest.raises(InputError, match=r"the batch must be between 1 and .*, got nan"):
        use(batch=float("nan"))
    with pytest.raises(InputError, match=r"the batch must be between 1 and .*, got 1e\+300"):
        use(batch=[1, 1e300])
    with pytest.raises(InputError, match="the batch must be numbers, got 'many'"):
        use(batch="many")
    with pytest.raises(InputError, match=r"shapes that broadcast, got batch \(2,\), prompt \(3,\)"):
        use(batch=[1, 2], prompt_tokens=[1, 2, 3])
    with pytest.raises(InputError, match="writes text: output tokens must be at least 1, got 0"):
        decoder_workload(llama, use(output_tokens=0))
    with pytest.raises(InputError, match=r"tensor parallelism must be a whole number from 1 to 65,536, got 0"):
        decoder_workload(llama, use(), parallelism=Parallelism(tensor=0))
    with pytest.raises(InputError, match="experts lie on 1 chip or on all 8 of the replica, got 4"):
        decoder_workload(routed, use(), parallelism=Parallelism(tensor=8, expert=4))
    with pytest.raises(InputError, match=r"'llama-3.1-8b' has no experts"):
        decoder_workload(llama, use(), parallelism=Parallelism(tensor=2, expert=2))
    with pytest.raises(InputError, match=r"unknown precision 'fp7' \(did you mean"):
        precision_of(llama, "fp7")
    with pytest.raises(InputError, match="speculation needs a draft"):
        Speculation(draft_tokens=2, acceptance_frac=0.5)


def test_a_text_longer_than_the_model_takes_is_noted() -> None:
    llama = load_architecture("llama-2-7b")
    assert not decoder_workload(llama, use()).notes
    (note,) = decoder_workload(llama, use(prompt_tokens=5000)).notes
    assert note == "the model takes 4,096 tokens, and 5,005 were asked for"


def test_requests_that_began_at_different_times_hold_half_of_their_answers() -> None:
    """Llama 3.1 8B by hand: a lone request is held to its end, sixty-four take little more than the mean of theirs."""
    llama = load_architecture("llama-3.1-8b")
    lone, many = (
        decoder_workload(llama, use(batch=batch, prompt_tokens=1000, output_tokens=8000)) for batch in (1, 64)
    )
    per_token = 32 * 2 * 8 * 128 * 2
    assert float(lone.cache_bytes) == per_token * 9000
    assert float(many.cache_bytes) == per_token * (64 * (1000 + 4000) + 4000 * 8)
    assert float(many.cache_bytes) < 0.65 * 64 * float(lone.cache_bytes)


def test_a_batch_that_was_served_on_a_chip_fits_it() -> None:
    """ML.ENERGY v3: Qwen3 8B on one H100, 63 requests at a time in the mean, answers of 8,367 tokens."""
    qwen = load_architecture("qwen3-8b")
    held = decoder_workload(qwen, use(batch=63, prompt_tokens=180, output_tokens=8367)).resident_bytes
    assert float(held) < 0.9 * 80e9
