"""Counts against published ones, against architectures computed by hand, and against torch's own counter."""

from __future__ import annotations

import warnings
from math import prod
from pathlib import Path

import pytest

onnx = pytest.importorskip("onnx")

from twentywatts.counting import count  # noqa: E402

LIGHT = Path(onnx.__file__).parent / "backend" / "test" / "data" / "light"
MODELS = sorted(path.name.removeprefix("light_").removesuffix(".onnx") for path in LIGHT.glob("light_*.onnx"))


def light(name: str) -> Path:
    return LIGHT / f"light_{name}.onnx"


def conv(size: int, outputs: int, inputs: int, kernel: int = 1, group: int = 1) -> int:
    """Multiply-accumulates of a square convolution with an output of ``size`` × ``size``."""
    return size * size * outputs * (inputs // group) * kernel * kernel


# architectures by hand, from the tables of their papers ---------------------------------------------------------------


def alexnet(first: int, second: int, third: int) -> int:
    """AlexNet with two groups (Krizhevsky 2012); sizes of the maps after conv1, conv2 and conv3 to conv5."""
    maps = conv(first, 96, 3, 11) + conv(second, 256, 96, 5, 2) + conv(third, 384, 256, 3)
    maps += conv(third, 384, 384, 3, 2) + conv(third, 256, 384, 3, 2)
    return maps + 256 * 36 * 4096 + 4096 * 4096 + 4096 * 1000


def vgg19() -> int:
    """Configuration E of Simonyan and Zisserman 2015, Table 1."""
    total, inputs = 0, 3
    for size, channels, repeats in ((224, 64, 2), (112, 128, 2), (56, 256, 4), (28, 512, 4), (14, 512, 4)):
        for _ in range(repeats):
            total += conv(size, channels, inputs, 3)
            inputs = channels
    return total + 512 * 49 * 4096 + 4096 * 4096 + 4096 * 1000


def resnet50(*, stride_in_3x3: bool) -> int:
    """He et al. 2016, Table 1; the paper strides in the first 1x1 convolution, later versions in the 3x3."""
    total, inputs, size = conv(112, 64, 3, 7), 64, 56
    for stage, (width, repeats) in enumerate(((64, 3), (128, 4), (256, 6), (512, 3))):
        for block in range(repeats):
            before = size
            if block == 0 and stage > 0:
                size //= 2
            first = before if stride_in_3x3 else size
            total += conv(first, width, inputs) + conv(size, width, width, 3) + conv(size, 4 * width, width)
            if block == 0:
                total += conv(size, 4 * width, inputs)
            inputs = 4 * width
    return total + 2048 * 1000


def densenet121() -> int:
    """Huang et al. 2017, Table 1, growth 32."""
    total, channels, size = conv(112, 64, 3, 7), 64, 56
    for stage, layers in enumerate((6, 12, 24, 16)):
        for _ in range(layers):
            total += conv(size, 128, channels) + conv(size, 32, 128, 3)
            channels += 32
        if stage < 3:
            total += conv(size, channels // 2, channels)
            channels, size = channels // 2, size // 2
    return total + 1024 * 1000


def inception_v1(sizes: tuple[int, int, int, int]) -> int:
    """Szegedy et al. 2015, Table 1; sizes of the maps after each pooling, 56, 28, 14 and 7 in the paper."""
    total = conv(112, 64, 3, 7) + conv(sizes[0], 64, 64) + conv(sizes[0], 192, 64, 3)
    blocks = (
        (1, 192, 64, 96, 128, 16, 32, 32),
        (1, 256, 128, 128, 192, 32, 96, 64),
        (2, 480, 192, 96, 208, 16, 48, 64),
        (2, 512, 160, 112, 224, 24, 64, 64),
        (2, 512, 128, 128, 256, 24, 64, 64),
        (2, 512, 112, 144, 288, 32, 64, 64),
        (2, 528, 256, 160, 320, 32, 128, 128),
        (3, 832, 256, 160, 320, 32, 128, 128),
        (3, 832, 384, 192, 384, 48, 128, 128),
    )
    for stage, inputs, one, reduce3, three, reduce5, five, pool in blocks:
        size = sizes[stage]
        total += conv(size, one + reduce3 + reduce5 + pool, inputs)
        total += conv(size, three, reduce3, 3) + conv(size, five, reduce5, 5)
    return total + 1024 * 1000


BY_HAND = {
    "bvlc_alexnet": alexnet(54, 26, 12),  # the file takes 224 × 224, which leaves 54, 26 and 12
    "vgg19": vgg19(),
    "resnet50": resnet50(stride_in_3x3=True),
    "densenet121": densenet121(),
    "inception_v1": inception_v1((55, 27, 13, 6)),  # the file rounds down where it pools
}

# multiply-accumulates and parameters that others publish for the same networks
PUBLISHED = {
    # torchvision's model table ("_ops" in 10^9, "num_params"), torchvision/models/{vgg,resnet,densenet,squeezenet}.py
    "vgg19": (19.632e9, 143_667_240),
    "resnet50": (4.089e9, None),
    "densenet121": (2.834e9, None),
    "squeezenet": (0.349e9, 1_235_496),
}


@pytest.mark.parametrize("name", sorted(BY_HAND))
def test_light_models_agree_with_their_architecture(name: str) -> None:
    assert count(light(name)).mac_count == BY_HAND[name]


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_light_models_agree_with_published_counts(name: str) -> None:
    counts = count(light(name))
    macs, parameters = PUBLISHED[name]
    assert round(counts.mac_count / 1e9, 3) == macs / 1e9
    if parameters is not None:
        assert counts.parameter_count == parameters


def test_the_original_resnet50_is_the_published_3_8_billion() -> None:
    """He et al. 2016, Table 1: 3.8e9 multiply-adds, with the stride in the 1x1 convolution (ours: 3.86e9)."""
    assert resnet50(stride_in_3x3=False) == pytest.approx(3.8e9, rel=0.02)


def test_inception_v1_keeps_its_published_budget() -> None:
    """Szegedy et al. 2015, section 1: a budget of 1.5 billion multiply-adds."""
    assert inception_v1((56, 28, 14, 7)) == pytest.approx(1.5e9, rel=0.06)


def test_alexnet_at_its_true_input_size(tmp_path: Path) -> None:
    """727e6 fused multiply-adds at 227 × 227: github.com/albanie/convnet-burden, README, with its other operations."""
    model = onnx.load(light("bvlc_alexnet"))
    for axis in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = 227
    del model.graph.value_info[:]
    path = tmp_path / "alexnet227.onnx"
    onnx.save(model, path)
    counts = count(path)
    assert counts.mac_count == alexnet(55, 27, 13)
    assert counts.mac_count == pytest.approx(727e6, rel=0.01)
    assert counts.unknown == ()


@pytest.mark.parametrize("name", MODELS)
def test_light_models_agree_with_a_plain_walk(name: str) -> None:
    """An independent count: shapes by the library's inference of the whole graph, products by hand."""
    model = onnx.shape_inference.infer_shapes(onnx.load(light(name)), data_prop=True)
    values = (*model.graph.value_info, *model.graph.input, *model.graph.output)
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in values}
    macs = parameters = 0
    read = {name for node in model.graph.node for name in node.input}
    stored = [t for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT and t.name in read]
    for node in model.graph.node:
        if node.op_type == "Conv":
            macs += prod(shapes[node.output[0]]) * prod(shapes[node.input[1]][1:])
        elif node.op_type == "Gemm":
            macs += prod(shapes[node.input[0]]) * shapes[node.output[0]][1]
        if node.op_type == "ConstantOfShape":
            parameters += prod(shapes[node.output[0]])
    counts = count(light(name))
    assert counts.mac_count == macs
    assert counts.parameter_count == parameters + sum(prod(tensor.dims) for tensor in stored)
    assert counts.unknown_node_frac == 0


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("batch", [7])
def test_a_batch_multiplies_the_work(name: str, batch: int) -> None:
    one, many = count(light(name)), count(light(name), batch=batch)
    assert many.batch == batch
    assert many.mac_count == batch * one.mac_count
    assert many.op_count == batch * one.op_count
    assert many.activation_bytes == batch * one.activation_bytes
    assert many.weight_bytes == one.weight_bytes


# models exported from torch -------------------------------------------------------------------------------------------


NAMES = ["convolutions and products", "attention", "lstm", "gru"]


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", NAMES)
def test_exported_models_agree_with_torch(name: str, tmp_path: Path) -> None:
    """FlopCounterMode counts two operations per multiply-accumulate of every matrix product and convolution."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    from tests.support.torch_models import MODELS as TORCH_MODELS
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    make, inputs = TORCH_MODELS[name]
    torch.manual_seed(0)
    model, arguments = make().eval(), inputs()
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # fused kernels hide their products from the counter
    try:
        with torch.no_grad(), torch.backends.mkldnn.flags(enabled=False), sdpa_kernel(SDPBackend.MATH):
            with FlopCounterMode(display=False) as counter:
                model(*arguments)
            path = tmp_path / "model.onnx"
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                torch.onnx.export(model, arguments, path, dynamo=True, verbose=False)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    counts = count(path)
    assert 2 * counts.mac_count == counter.get_total_flops()
    assert counts.unknown == ()
