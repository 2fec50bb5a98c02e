"""The step int8: a float candidate as it ships in eight bits, quantised by onnxruntime after calibration (QDQ)."""

from __future__ import annotations

from collections.abc import Mapping

from twentywatts.forms.int8 import quantised as quantised_content
from twentywatts.forms.protocol import Inputs
from twentywatts.forms.runtime import shipped_session
from twentywatts.readers import read
from twentywatts.slimming.candidate import Candidate, Step
from twentywatts.slimming.files import candidate_file

__all__ = ["INT8", "is_quantised", "quantised", "shipped_session"]

INT8 = "int8"
_NO_AXES: Mapping[str, int] = {}


def quantised(
    candidate: Candidate, calibration: Inputs, *, axes: Mapping[str, int] = _NO_AXES, is_narrow: bool = False
) -> Candidate:
    """Return a float candidate with int8 weights per channel and uint8 activations, calibrated on up to 256 samples.

    axes: sizes of open axes, as for reading. is_narrow: weights of seven bits, whose sums of two products fit in the 16
    bits of processors without VNNI, where larger ones are clipped. Softmaxes stay in float. Raises RefusedError with
    onnxruntime's reason.
    """
    with candidate_file(candidate) as path:
        content = quantised_content(read(path, axes=axes), calibration, is_narrow=is_narrow)
    return candidate.then(Step(name=INT8, settings={"weight_bits": 7} if is_narrow else {}), content)


def is_quantised(candidate: Candidate) -> bool:
    """Tell whether the last step left eight-bit arithmetic."""
    return bool(candidate.steps) and candidate.steps[-1].name == INT8
