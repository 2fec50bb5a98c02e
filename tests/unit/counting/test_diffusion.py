"""Models that draw, counted: against a denoiser built by hand in torch, against published sizes, by property."""

from __future__ import annotations

import tomllib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.repository import PACKAGE

from twentywatts.architecture_diffusion import Denoiser, Diffusion, LatentDecoder, TextEncoder
from twentywatts.counting.diffusion import DiffusionUse, diffusion_workload
from twentywatts.errors import InputError, ModelError
from twentywatts.figures import parse_figure
from twentywatts.readers.diffusions import diffusion_names, is_diffusion, load_diffusion

NAMES = diffusion_names()
BENCHMARKED = """
PixArt-alpha/PixArt-Sigma-XL-2-1024-MS Tencent-Hunyuan/HunyuanDiT-v1.2-Diffusers black-forest-labs/FLUX.1-dev
stabilityai/stable-diffusion-3.5-medium Wan-AI/Wan2.1-T2V-1.3B-Diffusers Wan-AI/Wan2.1-T2V-14B-Diffusers
zai-org/CogVideoX1.5-5B Efficient-Large-Model/SANA1.5_1.6B_1024px_diffusers
Efficient-Large-Model/SANA1.5_4.8B_1024px_diffusers stabilityai/stable-diffusion-3.5-large tencent/HunyuanVideo
zai-org/CogVideoX-2b stable-diffusion-xl sdxl runwayml/stable-diffusion-v1-5 stabilityai/stable-diffusion-2-1
""".split()
# what the name of a model rounds away: Wan's 1.42 billion parameters are called 1.3, CogVideoX's 5.57 are called 5
NAMED_LOOSELY = ("wan2.1-1.3b", "cogvideox1.5-5b")


@pytest.mark.parametrize("name", NAMES)
def test_the_parameters_are_the_published_ones(name: str) -> None:
    model = load_diffusion(name)
    table = tomllib.loads((PACKAGE / "data" / "diffusion" / f"{name}.toml").read_text(encoding="utf-8"))
    figure = parse_figure("parameter_count", table["figures"]["parameter_count"])
    counted = model.denoiser.parameter_count
    outside = max(0.0, figure.low - counted, counted - figure.high) / figure.value
    assert outside <= (0.06 if name in NAMED_LOOSELY else 0.01)
    assert (outside > 0.01) == (name in NAMED_LOOSELY)


def test_all_that_benchmarks_name_are_there() -> None:
    for name in BENCHMARKED:
        assert load_diffusion(name) == load_diffusion(name.upper())
        assert is_diffusion(name)
    assert not is_diffusion("llama-3.1-8b")
    with pytest.raises(ModelError, match=r"unknown diffusion model 'flux.1-deu' \(did you mean"):
        load_diffusion("flux.1-deu")
    with pytest.raises(ModelError, match="unknown diffusion model 'parts'"):
        load_diffusion("parts")


def tiny(width: int, layers: int) -> Diffusion:
    """A transformer over 2 × 2 patches of 4 channels, by its formulas: 12 w² per layer, 2 w per pair."""
    matrices = layers * 12 * width**2
    patch = 16 * width
    return Diffusion(
        name="tiny",
        title="Tiny",
        denoiser=Denoiser(
            kind="dit",
            parameter_count=matrices + 2 * patch,
            fixed_macs=0.0,
            token_macs=float(matrices + 2 * patch),
            token_pair_macs=2.0 * width * layers,
            text_macs=0.0,
            text_pair_macs=0.0,
            cross_pair_macs=0.0,
            width=width,
            layer_count=layers,
        ),
        text_encoders=(
            TextEncoder(name="t", parameter_count=90, matrix_parameter_count=50, token_count=7, layer_count=1),
        ),
        decoder=LatentDecoder(parameter_count=30, site_macs=11.0, site_pair_macs=2.0, width=8),
        pixels_per_site=8,
        patch=2,
        text_tokens=0,
        guided=True,
        steps=20,
        width_px=64,
        height_px=96,
    )


@pytest.mark.torch
def test_a_tiny_denoiser_counted_by_torch_s_own_counter_takes_exactly_as_much() -> None:
    torch = pytest.importorskip("torch")
    from torch.utils.flop_counter import FlopCounterMode

    width, layers, tokens = 32, 2, (64 // 16) * (96 // 16)
    x = torch.ones(tokens, 16)
    matrices = {"in": (width, 16), "out": (16, width)}
    for layer in range(layers):
        matrices |= {f"{layer}{name}": (width, width) for name in "qkvo"}
        matrices |= {f"{layer}up": (4 * width, width), f"{layer}down": (width, 4 * width)}
    weights = {name: torch.ones(shape) * 0.01 for name, shape in matrices.items()}
    with FlopCounterMode(display=False) as counter:
        x = x @ weights["in"].T
        for layer in range(layers):
            q, k, v = (x @ weights[f"{layer}{name}"].T for name in "qkv")
            x = (q @ k.T @ v) @ weights[f"{layer}o"].T
            x = (x @ weights[f"{layer}up"].T) @ weights[f"{layer}down"].T
        x @ weights["out"].T
    counted = diffusion_workload(tiny(width, layers), DiffusionUse())
    assert counted.token_count == tokens
    assert counted.denoise.mac_count == counter.get_total_flops() // 2
    assert counted.denoise.weight_bytes == 2 * sum(weight.numel() for weight in weights.values())
    assert counted.evaluation_count == 40
    assert counted.text.mac_count == 2 * 7 * 50
    sites = 8 * 12
    assert counted.decode.mac_count == 11 * sites + 2 * sites**2


def test_an_image_of_sdxl_takes_what_is_commonly_reported() -> None:
    """One evaluation at 1024 pixels: about 6 TFLOP (3 T multiply-accumulates), the decoder about 2.5 T more."""
    counted = diffusion_workload(load_diffusion("sdxl"), DiffusionUse(steps=30))
    assert 2.5e12 < counted.denoise.mac_count < 4e12
    assert counted.evaluation_count == 60


def test_video_has_more_tokens_than_an_image() -> None:
    """Wan at 832 × 480 with 81 frames: 52 × 30 patches in 21 latent frames."""
    wan = load_diffusion("wan2.1-14b")
    assert diffusion_workload(wan, DiffusionUse()).token_count == 52 * 30 * 21
    assert diffusion_workload(wan, DiffusionUse(frames=1)).token_count == 52 * 30


@given(name=st.sampled_from(NAMES), batch=st.integers(1, 64), chips=st.integers(1, 16))
def test_work_follows_batch_steps_and_size(name: str, batch: int, chips: int) -> None:
    model = load_diffusion(name)

    def counted(**changes: Any) -> Any:
        return diffusion_workload(model, DiffusionUse(**({"batch": batch, "chips": chips} | changes)))

    one, twice = counted(), counted(batch=2 * batch)
    assert twice.denoise.mac_count == pytest.approx(2 * one.denoise.mac_count)
    assert twice.decode.mac_count == pytest.approx(2 * one.decode.mac_count)
    assert twice.denoise.weight_bytes == one.denoise.weight_bytes == model.denoiser.parameter_count * 2 * chips
    assert counted(steps=7).evaluation_count == (14 if model.guided else 7)
    larger = counted(width_px=2 * model.width_px)
    assert larger.denoise.attention_mac_count > 1.9 * one.denoise.attention_mac_count
    assert (one.denoise.collective_bytes > 0) == (chips > 1)


def test_arrays_broadcast() -> None:
    model = load_diffusion("flux.1-dev")
    many = diffusion_workload(model, DiffusionUse(batch=np.arange(1, 4)[:, None], steps=np.array([4, 50])))
    assert many.denoise.mac_count.shape == (3, 2)
    one = diffusion_workload(model, DiffusionUse(batch=3, steps=50))
    assert many.denoise.mac_count[2, 1] == one.denoise.mac_count


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(InputError, match="the batch must be between 1"):
        DiffusionUse(batch=0)
    with pytest.raises(InputError, match=r"steps must be between 0 and .*, got -1"):
        DiffusionUse(steps=-1)
    with pytest.raises(InputError, match="chips must be a whole number"):
        DiffusionUse(chips=0)
    with pytest.raises(InputError, match="bits of a weight"):
        DiffusionUse(weight_bits=0)
    with pytest.raises(InputError, match="shapes that broadcast"):
        DiffusionUse(batch=[1, 2], steps=[1, 2, 3])
    with pytest.raises(InputError, match="draws at least 16 × 16 pixels"):
        diffusion_workload(load_diffusion("flux.1-dev"), DiffusionUse(width_px=4))
