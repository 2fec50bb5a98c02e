"""The workload of a processor: precisions, fusing, batches."""

from pathlib import Path

import onnx
import pytest

from twentywatts.counting import Counts, count, processor_workload
from twentywatts.errors import InputError

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light"


@pytest.fixture(scope="module")
def resnet() -> Counts:
    return count(LIGHT / "light_resnet50.onnx")


def test_every_tensor_of_a_convnet_narrows_with_the_precision(resnet: Counts) -> None:
    """Convolutions, residual sums and pooling run on 8-bit tensors in quantised runtimes."""
    full = processor_workload(resnet, precision="fp32")
    for precision, share in (("fp16", 0.5), ("int8", 0.25)):
        narrow = processor_workload(resnet, precision=precision)
        for name in ("weight_bytes", "input_bytes", "output_bytes"):
            ratio = getattr(narrow, name).sum() / getattr(full, name).sum()
            assert ratio == pytest.approx(share, rel=0.01), (precision, name)
        assert narrow.mac_count.sum() == full.mac_count.sum()


def test_fused_layers_dispatch_nothing_and_lose_no_arithmetic(resnet: Counts) -> None:
    work = processor_workload(resnet)
    # 53 convolutions and 1 dense layer; pooling and the softmax are kernels of their own, ReLU and sums are not
    assert 54 <= work.kernel_count.sum() <= 60
    assert work.mac_count.sum() == resnet.mac_count


def test_a_batch_multiplies_arithmetic_and_activations_but_not_weights(resnet: Counts) -> None:
    one, many = processor_workload(resnet, batch=1), processor_workload(resnet, batch=7)
    assert many.mac_count.sum() == 7 * one.mac_count.sum()
    assert many.output_bytes.sum() == pytest.approx(7 * one.output_bytes.sum())
    assert many.weight_bytes.sum() == one.weight_bytes.sum()


def test_unknown_precisions_are_refused(resnet: Counts) -> None:
    with pytest.raises(InputError, match="int4"):
        processor_workload(resnet, precision="int4")
