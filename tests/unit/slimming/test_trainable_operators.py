"""Every operator that is trained, against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper
from tests.support.onnx_models import constant, info, model_of

pytest.importorskip("torch")
pytestmark = pytest.mark.torch

from tests.support.trainable import F, I, agree, array  # noqa: E402

X = array(2, 4, 6, 6)
FLAT = array(3, 5)
POSITIVE = array(3, 5, low=0.1, high=2.0)


def case(op: str, x: NDArray[Any], *constants: Any, opset: int = 18, outputs: int = 1, **attributes: Any) -> Any:
    """An operator on a fed ``x`` and constants (None: left out)."""
    name = "-".join([op, *(f"{key}={value}" for key, value in attributes.items()), f"{opset}"])
    return pytest.param(op, x, constants, (opset, outputs), attributes, id=name[:70])


UNARY = """Abs Ceil Cos Exp Floor HardSwish Identity IsNaN IsInf Mish Neg Reciprocal Relu Round Selu Celu Elu Sigmoid
Sign Sin Softplus Softsign Tan Tanh Erf LeakyRelu HardSigmoid ThresholdedRelu GlobalAveragePool GlobalMaxPool
LogSoftmax Softmax LpNormalization MeanVarianceNormalization Flatten Transpose Shape Size ArgMax""".split()
IMAGE = array(2, 3, 7, 9, seed=5)
KERNEL, BIAS = array(6, 3, 3, 3, seed=1), array(6, seed=2)
CASES = [
    *(case(op, X) for op in UNARY),
    case("Sqrt", POSITIVE),
    case("Log", POSITIVE),
    case("Softmax", X, opset=11),
    case("Softmax", X, opset=11, axis=2),
    case("LogSoftmax", X, axis=1),
    case("LpNormalization", FLAT, p=1, axis=0),
    case("Gelu", FLAT, opset=20),
    case("Gelu", FLAT, opset=20, approximate="tanh"),
    *(case(op, FLAT, array(5, seed=3)) for op in "Add Sub Mul Max Min Mean Sum".split()),
    case("Div", FLAT, POSITIVE),
    case("Pow", POSITIVE, np.array(1.5, F)),
    case("Mod", FLAT, POSITIVE, fmod=1),
    *(case(op, FLAT, array(3, 5, seed=3)) for op in "Equal Less LessOrEqual Greater GreaterOrEqual".split()),
    case("Clip", FLAT, np.array(-0.3, F), np.array(0.4, F)),
    case("Clip", FLAT, None, np.array(0.4, F)),
    case("Clip", FLAT, opset=6, min=-0.2, max=0.5),
    case("PRelu", X, array(4, 1, 1, seed=3)),
    case("Cast", FLAT, to=TensorProto.INT64),
    case("Cast", FLAT, to=TensorProto.BOOL),
    case("Dropout", FLAT, outputs=2),
    case("Reshape", X, np.array([0, -1, 3], I)),
    case("Reshape", X, opset=1, shape=[2, -1]),
    case("Flatten", X, axis=2),
    case("Flatten", X, axis=0),
    case("Transpose", X, perm=[0, 2, 3, 1]),
    case("Squeeze", array(2, 1, 3, 1), np.array([1, -1], I)),
    case("Squeeze", array(2, 1, 3, 1), opset=11, axes=[1]),
    case("Unsqueeze", FLAT, np.array([-1, 0], I)),
    case("Unsqueeze", FLAT, opset=11, axes=[1]),
    case("Concat", FLAT, array(3, 2), axis=1),
    case("Split", array(6, 5), np.array([2, 4], I), outputs=2),
    case("Split", array(6, 5), opset=18, outputs=3, num_outputs=3),
    case("Split", array(7, 5), opset=18, outputs=3, num_outputs=3),
    case("Slice", X, np.array([1, -5], I), np.array([4, 100], I), np.array([1, 2], I), np.array([1, 2], I)),
    case("Slice", X, np.array([-1], I), np.array([-100], I), np.array([3], I), np.array([-2], I)),
    case("Slice", X, opset=9, starts=[0, 1], ends=[2, 3], axes=[0, 1]),
    case("Gather", FLAT, np.array([2, -1, 0], I)),
    case("Gather", FLAT, np.array([[0, 4], [1, -2]], I), axis=1),
    case("Gather", FLAT, np.array(1, I), axis=1),
    case("GatherElements", FLAT, np.array([[0, 4], [1, -2], [0, 0]], I), axis=1),
    case("GatherND", FLAT, np.array([[0, 4], [1, 2]], I)),
    case("Expand", array(3, 1), np.array([2, 1, 5], I)),
    case("Tile", FLAT, np.array([2, 3], I)),
    case("Pad", X, np.array([0, 0, 1, 2, 0, 1, 0, 2], I), np.array(1.5, F)),
    case("Pad", X, np.array([1, 2, 0, 2], I), None, np.array([2, 3], I)),
    case("Pad", X, np.array([0, 1, 1, 2, 0, 1, 0, 2], I), mode="reflect"),
    case("Pad", X, np.array([1, 0, 1, 2, 0, 0, 0, 2], I), mode="edge"),
    case("Pad", FLAT, opset=2, pads=[1, 0, 0, 2]),
    case("DepthToSpace", X, blocksize=2),
    case("DepthToSpace", X, blocksize=2, mode="CRD"),
    case("SpaceToDepth", X, blocksize=2),
    case("Trilu", FLAT),
    case("Trilu", FLAT, np.array(1, I), upper=0),
    case("CumSum", FLAT, np.array(1, I)),
    case("OneHot", np.array([0, 2, -1], I), np.array(3, I), np.array([0, 1], F)),
    case("TopK", FLAT, np.array([2], I), outputs=2),
    case("ArgMin", FLAT, axis=1, keepdims=0),
    case("Range", np.array(5, I), np.array(9, I), np.array(2, I)),
    case("Gemm", FLAT, array(5, 4, seed=1), array(4, seed=2)),
    case("Gemm", FLAT, array(4, 5, seed=1), array(1, 4, seed=2), transB=1, alpha=0.5, beta=2.0),
    case("Gemm", FLAT, array(3, 4, seed=1), transA=1),
    case("MatMul", X, array(6, 5, seed=1)),
    case("MatMul", X, array(2, 4, 6, 5, seed=1)),
    case("Einsum", X, array(6, 5, seed=1), equation="bchw, wd -> bcdh"),
    case("BatchNormalization", X, *(array(4, seed=s, low=0.5, high=1.5) for s in range(4)), epsilon=1e-3),
    case("LayerNormalization", X, array(6, seed=1), array(6, seed=2)),
    case("LayerNormalization", X, array(6, 6, seed=1), axis=2, epsilon=1e-3),
    case("InstanceNormalization", X, array(4, seed=1), array(4, seed=2)),
    case("GroupNormalization", X, array(4, seed=1), array(4, seed=2), num_groups=2, opset=21),
    case("LRN", X, size=3),
    *(case(op, POSITIVE, np.array([1], I)) for op in "ReduceMean ReduceMax ReduceMin ReduceProd ReduceL2".split()),
    case("ReduceL1", FLAT, np.array([0, -1], I)),
    *(case(op, POSITIVE, opset=11, axes=[0], keepdims=0) for op in "ReduceSum ReduceLogSum ReduceSumSquare".split()),
    case("ReduceLogSumExp", POSITIVE),
    case("ReduceMean", POSITIVE, np.array([], I), noop_with_empty_axes=1),
    case("Conv", IMAGE, KERNEL, BIAS),
    case("Conv", IMAGE, KERNEL, pads=[1, 0, 2, 1], strides=[2, 1]),
    case("Conv", IMAGE, KERNEL, BIAS, auto_pad="SAME_UPPER", strides=[2, 2]),
    case("Conv", IMAGE, KERNEL, BIAS, auto_pad="SAME_LOWER", strides=[2, 2]),
    case("Conv", IMAGE, KERNEL, auto_pad="VALID", dilations=[2, 3]),
    case("Conv", array(2, 6, 20), array(12, 3, 5), array(12), group=2, pads=[2, 2]),
    case("Conv", array(1, 2, 5, 5, 5), array(3, 2, 3, 3, 3), pads=[1] * 6),
    case("ConvTranspose", IMAGE, array(3, 4, 3, 3), array(4), strides=[2, 2], pads=[1, 0, 0, 1]),
    case("ConvTranspose", array(2, 4, 9), array(4, 3, 4), group=2, strides=[3], output_padding=[1]),
    case("MaxPool", IMAGE, kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 1]),
    case("MaxPool", IMAGE, kernel_shape=[3, 3], strides=[2, 2], pads=[0, 1, 1, 1]),
    case("MaxPool", IMAGE, kernel_shape=[2, 2], strides=[3, 2], ceil_mode=1),
    case("MaxPool", IMAGE, kernel_shape=[3, 3], strides=[2, 2], auto_pad="SAME_UPPER"),
    case("MaxPool", array(2, 3, 11), kernel_shape=[3], dilations=[2], strides=[2]),
    case("AveragePool", IMAGE, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
    case("AveragePool", IMAGE, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 0, 1], count_include_pad=1),
    case("AveragePool", IMAGE, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1, opset=19),
    case("AveragePool", array(2, 3, 11), kernel_shape=[4], strides=[2], auto_pad="SAME_LOWER"),
    case("Resize", X, None, np.array([1, 1, 2, 2], F), mode="nearest", nearest_mode="floor",
         coordinate_transformation_mode="asymmetric"),
    case("Resize", X, None, None, np.array([2, 4, 9, 12], I), mode="linear",
         coordinate_transformation_mode="half_pixel"),
    case("Resize", X, None, np.array([1, 1, 2, 1.5], F), mode="linear", coordinate_transformation_mode="align_corners"),
    case("Upsample", X, np.array([1, 1, 2, 2], F), opset=9),
]  # fmt: skip


@pytest.mark.parametrize(("op", "x", "constants", "shape", "attributes"), CASES)
def test_an_operator_is_what_onnxruntime_makes_of_it(
    op: str, x: NDArray[Any], constants: Any, shape: tuple[int, int], attributes: dict[str, Any]
) -> None:
    opset, outputs = shape
    names = ["x", *("" if value is None else f"c{index}" for index, value in enumerate(constants))]
    stored = [constant(name, value, value.dtype) for name, value in zip(names[1:], constants, strict=True) if name]
    made = [f"y{index}" for index in range(outputs)]
    node = helper.make_node(op, names, made, **attributes)
    fed = info("x", x.shape, helper.np_dtype_to_tensor_dtype(x.dtype))
    model = model_of([node], [fed], made, stored, opset=opset)
    agree(model.SerializeToString(), {"x": x})
