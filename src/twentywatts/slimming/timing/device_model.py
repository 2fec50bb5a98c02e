"""A model of this device, fitted to measurements of this search's own candidates; it chooses what is measured next.

time = a · float products + b · 8-bit products + c · weight bytes + d · activation bytes + e · operators + floor, with
no term below zero, fitted to relative errors. Its error is that of candidates left out of the fit, one at a time. It
is never reported as a saving: multiply-accumulates alone overstate those two to four times.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from twentywatts.counting import Counts, count
from twentywatts.errors import InputError, RefusedError
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.files import candidate_file
from twentywatts.uncertain import Array

__all__ = ["FEATURES", "DeviceModel", "Work", "fitted", "work_of"]

FEATURES = ("float_mac_count", "int8_mac_count", "weight_bytes", "activation_bytes", "kernel_count", "floor")
LEAST = 4  # measured candidates below which nothing is fitted
_INT8_BITS = 8
_NO_AXES: Mapping[str, int] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What one inference does, by counting: everything of the batch is divided by it, weights and operators too."""

    float_mac_count: float
    int8_mac_count: float
    weight_bytes: float
    activation_bytes: float
    kernel_count: float
    batch: int = 1

    @property
    def mac_count(self) -> float:
        """Multiply-accumulates of every width."""
        return self.float_mac_count + self.int8_mac_count

    @property
    def features(self) -> Array:
        """The terms of the model in the order of FEATURES; the floor is that of one call, shared by its batch."""
        terms = [getattr(self, name) for name in FEATURES[:-1]]
        return np.array([*terms, 1.0 / self.batch], dtype=np.float64)


def work_of(candidate: Candidate, *, batch: int = 1, axes: Mapping[str, int] = _NO_AXES) -> Work:
    """Return the work of one inference in batches of ``batch``, counted; axes: sizes of other open axes."""
    with candidate_file(candidate) as path:
        counts = count(path, batch=batch, axes=axes)
    return _work(counts)


def _work(counts: Counts) -> Work:
    layers = counts.layers
    narrow = sum(layer.mac_count for layer in layers if 0 < layer.mac_bits <= _INT8_BITS)
    wide = sum(layer.mac_count for layer in layers if layer.mac_bits > _INT8_BITS or not layer.mac_bits)
    return Work(
        float_mac_count=wide / counts.batch,
        int8_mac_count=narrow / counts.batch,
        weight_bytes=sum(layer.weight_bytes for layer in layers) * counts.runs / counts.batch,
        activation_bytes=sum(layer.input_bytes + layer.output_bytes for layer in layers) / counts.batch,
        kernel_count=sum(1 for layer in layers if layer.output_bytes) * counts.runs / counts.batch,
        batch=counts.batch,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DeviceModel:
    """Processor time by work. coefficients: per feature [s per unit]. errors_frac: relative, each point left out."""

    coefficients: Array = field(repr=False)
    errors_frac: Array = field(repr=False)

    @property
    def error_frac(self) -> float:
        """Mean absolute relative error of points that the fit had not seen."""
        return float(np.abs(self.errors_frac).mean())

    @property
    def count(self) -> int:
        """Points that were fitted."""
        return len(self.errors_frac)

    def time_s(self, work: Work) -> float:
        """Return the predicted processor time of one inference [s]."""
        return float(self.coefficients @ work.features)

    def may_beat(self, work: Work, time_s: float) -> bool:
        """Tell whether a candidate is worth measuring: its prediction, less the error, lies below ``time_s``."""
        return self.time_s(work) * (1.0 - min(self.error_frac, 1.0)) < time_s


def fitted(works: Sequence[Work], times_s: Sequence[float]) -> DeviceModel:
    """Return the model of at least four measured candidates, else raises RefusedError; InputError for nonsense."""
    if len(works) != len(times_s) or not all(0 < time_s < float("inf") for time_s in times_s):
        raise InputError(f"a device model needs one positive time per candidate, got {len(works)} and {len(times_s)}")
    if len(works) < LEAST:
        raise RefusedError(f"a device model needs {LEAST} measured candidates, there are {len(works)}")
    terms = np.array([work.features for work in works])
    times = np.array(times_s, dtype=np.float64)
    errors = np.array([_left_out(terms, times, place) for place in range(len(times))])
    return DeviceModel(coefficients=_solved(terms, times), errors_frac=errors)


def _left_out(terms: Array, times: Array, place: int) -> float:
    """Return the relative error at one point of a fit to the others."""
    kept = np.arange(len(times)) != place
    return float(terms[place] @ _solved(terms[kept], times[kept]) / times[place] - 1.0)


def _solved(terms: Array, times: Array) -> Array:
    """Return coefficients ≥ 0 that minimise relative squares; terms are scaled, so that none is lost to rounding."""
    from scipy.optimize import nnls

    relative = terms / times[:, None]
    scale = np.maximum(np.abs(relative).max(axis=0), 1e-300)
    solution, _ = nnls(relative / scale, np.ones(len(times)))
    return np.asarray(solution / scale)
