"""The form `int8`: static post-training quantisation by onnxruntime, symmetric int8 weights per output channel.

Activations are uint8 with ranges from the calibration samples (minimum and maximum). The quantised graph (QDQ) runs
operator by operator, so its accuracy is that of 8-bit operands with wide accumulators, not of one CPU's short cuts.
"""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from twentywatts.errors import RefusedError, TwentyWattsError
from twentywatts.forms.float32 import SessionForm
from twentywatts.forms.library import onnxruntime, unlogged
from twentywatts.forms.protocol import Inputs, Setting
from twentywatts.forms.runtime import BatchRunner, check_inputs, first_line, folded_model, open_session
from twentywatts.machines import Traits
from twentywatts.network import Network

__all__ = ["build", "quantised", "quiet", "settings"]

_CALIBRATION_COUNT = 256  # samples; more do not change the range of a minimum and maximum much
_MOST_LAYERS = 5000
_PER_CHANNEL_OPSET = 13  # DequantizeLinear has an axis from here on


def settings(traits: Traits) -> list[Setting]:
    """Return the one setting there is."""
    return [{"precision": "int8"}]


def build(network: Network, traits: Traits, *, calibration: Inputs, setting: Setting, seed: int = 0) -> SessionForm:
    """Return the quantised model, calibrated on at most 256 samples; raises RefusedError with onnxruntime's reason."""
    session = open_session(quantised(network, calibration), what=f"model '{network.name}' as int8", optimise=False)
    return SessionForm(name="int8", setting=setting, session=session, runner=BatchRunner.of(session, network))


def quantised(network: Network, calibration: Inputs, *, is_narrow: bool = False) -> bytes:
    """Return the model as a QDQ graph, serialised; raises RefusedError with onnxruntime's reason.

    is_narrow: seven bits for weights, so that pairs of products fit in the 16 bits of processors without VNNI.
    """
    float_session = open_session(network.path, what=f"model '{network.name}'")
    samples = {key: array[:_CALIBRATION_COUNT] for key, array in check_inputs(float_session, calibration).items()}
    batches = [feeds for feeds, _ in BatchRunner.of(float_session, network).batches(samples)]
    try:
        return _quantised(network, batches, is_narrow=is_narrow)
    except TwentyWattsError:
        raise
    except Exception as error:
        raise RefusedError(
            f"model '{network.name}' cannot be quantised to int8: {type(error).__name__}: {first_line(error)}"
        ) from None


class _Reader:
    """Hands calibration batches to onnxruntime, which wants an object with ``get_next``."""

    def __init__(self, batches: list[dict[str, NDArray[Any]]]) -> None:
        self._batches = iter(batches)

    def get_next(self) -> dict[str, NDArray[Any]] | None:
        return next(self._batches, None)


def _quantised(network: Network, batches: list[dict[str, NDArray[Any]]], *, is_narrow: bool) -> bytes:
    """Return the quantised model; every file lies in a temporary folder that is removed."""
    import onnx

    quantization = onnxruntime("quantization")
    model = _with_newer_opset(folded_model(network))
    if len(model.graph.node) > _MOST_LAYERS:
        raise RefusedError(
            f"model '{network.name}' has {len(model.graph.node):,} layers, and onnxruntime's quantiser, whose time "
            f"grows with their square, is given at most {_MOST_LAYERS:,}: compare it in float, or export it fused"
        )
    with tempfile.TemporaryDirectory() as folder, quiet():
        folded, quantised = Path(folder, "folded.onnx"), Path(folder, "int8.onnx")
        excluded = _name_nodes(model)
        onnx.save(model, folded)
        quantization.quantize_static(
            str(folded),
            str(quantised),
            _reader(batches),
            quant_format=quantization.QuantFormat.QDQ,
            per_channel=_opset(model) >= _PER_CHANNEL_OPSET,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            nodes_to_exclude=excluded,
            reduce_range=is_narrow,
            extra_options={"WeightSymmetric": True, "ActivationSymmetric": False},
        )
        return quantised.read_bytes()


def _name_nodes(model: Any) -> list[str]:
    """Give every node a name, and return those of softmaxes, which stay in float: 256 levels tie small classes."""
    for index, node in enumerate(model.graph.node):
        node.name = node.name or f"{node.op_type}_{index}"
    return [node.name for node in model.graph.node if node.op_type in ("Softmax", "LogSoftmax")]


def _reader(batches: list[dict[str, NDArray[Any]]]) -> Any:
    kind = type("_CalibrationReader", (_Reader, onnxruntime("quantization").CalibrationDataReader), {})
    return kind(batches)


def _with_newer_opset(model: Any) -> Any:
    """Return the model with the opset that per-channel weights need, or as it is where there is no conversion."""
    from onnx import version_converter

    if _opset(model) >= _PER_CHANNEL_OPSET:
        return model
    try:
        return version_converter.convert_version(model, _PER_CHANNEL_OPSET)
    except Exception:  # onnx raises anything here; weights are then quantised per tensor
        return model


def _opset(model: Any) -> int:
    return max([entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")], default=1)


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the advice that onnxruntime's quantiser prints and logs."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), unlogged():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
