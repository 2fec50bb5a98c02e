"""Competitors of the slimming benches, as sessions: NNCF on OpenVINO, Intel's neural compressor on onnxruntime.

Each is imported only here and only where it is installed (they live in an environment of their own, with torch and
this library): `pip install openvino nncf onnx-neural-compressor`.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from twentywatts.forms.runtime import shipped_session

CALIBRATED = 256
_TYPES = {"f32": "tensor(float)", "i64": "tensor(int64)"}


class Compiled:
    """A model compiled by OpenVINO, one thread, behind the few methods of a session that are used."""

    def __init__(self, model: Any) -> None:
        import openvino

        settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
        self._compiled = openvino.Core().compile_model(model, "CPU", settings)
        self._request = self._compiled.create_infer_request()

    def get_inputs(self) -> list[Any]:
        """Return name, shape and type of each input, as onnxruntime tells them."""
        return [
            SimpleNamespace(
                name=spec.get_any_name(),
                shape=["any" if size.is_dynamic else size.get_length() for size in spec.get_partial_shape()],
                type=_TYPES[spec.get_element_type().get_type_name()],
            )
            for spec in self._compiled.inputs
        ]

    def run(self, names: None, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Return the outputs."""
        found = self._request.infer(feeds, share_inputs=True)
        return [found[0]]


def openers(path: Path, inputs: dict[str, np.ndarray]) -> dict[str, Callable[[], Any]]:
    """Return competitor → what opens its session for the model in ``path``, calibrated on the first inputs."""
    logging.disable(logging.WARNING)  # they tell of every layer
    first = {name: x[:CALIBRATED] for name, x in inputs.items()}
    found: dict[str, Callable[[], Any]] = {}
    if find_spec("openvino"):
        found["OpenVINO float"] = lambda: Compiled(_plain(path))
    if find_spec("nncf"):
        quantised = _nncf(path, first)
        found["NNCF int8"] = lambda: Compiled(quantised)
    if find_spec("onnx_neural_compressor"):
        content = _compressor(path, first)
        found["INC int8"] = lambda: shipped_session(content, what="the neural compressor's model")
    return found


@cache
def _plain(path: Path) -> Any:
    import openvino

    return openvino.Core().read_model(path)


def _nncf(path: Path, first: dict[str, np.ndarray]) -> Any:
    import nncf

    (name, x), = first.items()  # fmt: skip
    batches = [{name: x[place : place + 64]} for place in range(0, len(x), 64)]
    return nncf.quantize(_plain(path), nncf.Dataset(batches), subset_size=len(batches))


def _compressor(path: Path, first: dict[str, np.ndarray]) -> bytes:
    from onnx_neural_compressor import data_reader
    from onnx_neural_compressor.quantization import config, quantize

    class Reader(data_reader.CalibrationDataReader):
        def __init__(self) -> None:
            self.rewind()

        def get_next(self) -> Any:
            return next(self._batches, None)

        def rewind(self) -> None:
            (name, x), = first.items()  # fmt: skip
            self._batches = iter([{name: x[place : place + 64]} for place in range(0, len(x), 64)])

    import onnx
    from onnxruntime.quantization import QuantFormat

    settings = config.StaticQuantConfig(
        calibration_data_reader=Reader(), quant_format=QuantFormat.QDQ, per_channel=True
    )
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder, "int8.onnx")
        quantize(str(path), str(target), settings)
        return bytes(onnx.load(target).SerializeToString())  # its weights lie beside it
