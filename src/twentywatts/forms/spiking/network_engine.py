"""SpikingEngine: runs a SpikingNetwork event by event and counts what it does.

    engine = SpikingEngine(network)
    done = engine.run(spikes)               # (samples, steps, *shape): zeros and ones, counts, or graded numbers
    done.outputs["hidden"], done.counts["hidden"].synaptic_events

``start`` gives a session that takes window after window, for streams that never end.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import InputError
from twentywatts.forms.runtime import threads
from twentywatts.forms.spiking.events import Events, Layout, from_dense
from twentywatts.forms.spiking.memory import check_memory
from twentywatts.forms.spiking.plan import Plan, plan_of
from twentywatts.forms.spiking.session import LayerCounts, Session
from twentywatts.network_spiking import SpikingNetwork

__all__ = ["SpikingEngine", "SpikingRun"]

Array = NDArray[Any]
_WINDOW_LANES = 2**22  # frames × lanes of the widest layer that one window may hold
_AT_ONCE = 8
_LITTLE_BYTES = 2**22


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpikingRun:
    """What a run gives.

    outputs: events of each result layer, (samples, steps, *shape): booleans, or payloads; of an integrator its
    membrane. counts: by layer, totals over samples for each step.
    """

    outputs: Mapping[str, Array]
    counts: Mapping[str, LayerCounts]
    sample_count: int
    timesteps: int


class SpikingEngine:
    """A network packed once, to be run often.

    workers: threads over samples; they change nothing but the time. matrix_above: share of active inputs, by layer or
    for all, above which a dense layer is computed as a matrix product (exact for int8; float32 sums then have the
    order of the library's). limit_bytes: memory that may be used, what the system has if None.
    Raises InputError for a network that cannot be run or does not fit.
    """

    def __init__(
        self,
        network: SpikingNetwork,
        *,
        workers: int = 1,
        matrix_above: float | Mapping[str, float] | None = None,
        limit_bytes: int | None = None,
    ) -> None:
        check_memory(network, samples=1, limit_bytes=limit_bytes)
        self.network = network
        self.workers = max(1, workers or os.cpu_count() or 1)
        self.limit_bytes = limit_bytes
        self.plan: Plan = plan_of(network, matrix_above)
        self._frame_bytes = {
            layer.layer.name: layer.layer.neurons.count * (4 if layer.sends_payloads or layer.shows_membrane else 1)
            for layer in self.plan.layers
        }

    def start(self, *, samples: int = 1, payloads: bool = False, record: Sequence[str] = ()) -> Session:
        """Return a session at step 0; payloads: whether inputs may be other than 0 and 1; record: more layers to show.

        Raises InputError where the states of so many samples do not fit into memory.
        """
        check_memory(self.network, samples=samples, limit_bytes=self.limit_bytes)
        return Session(self.plan, samples=samples, payloads=payloads, record=record)

    def run(self, inputs: Array | Mapping[str, Array], *, record: Sequence[str] = ()) -> SpikingRun:
        """Return what all samples give; inputs: (samples, steps, *shape), by name where there are several.

        record: layers to show besides the results. Raises InputError for inputs that do not fit, for no step at all,
        and where states and outputs do not fit into memory.
        """
        arrays = self._arrays(inputs)
        samples, steps = next(iter(arrays.values())).shape[:2]
        payloads = any(_has_payloads(array) for array in arrays.values())
        at_once = self._at_once(samples, steps)
        self._check_memory(samples, steps, at_once, record)
        if samples <= at_once:
            shown, counts = self._run_part(arrays, payloads=payloads, record=record)
            return SpikingRun(outputs=shown, counts=counts, sample_count=samples, timesteps=steps)
        parts = [{k: a[i : i + at_once] for k, a in arrays.items()} for i in range(0, samples, at_once)]
        work = partial(self._run_part, payloads=payloads, record=tuple(record))
        if self.workers == 1:
            done = [work(part) for part in parts]
        else:
            with threads(self.workers) as pool:
                done = list(pool.map(work, parts))
        outputs = {name: np.concatenate([shown[name] for shown, _ in done]) for name in done[0][0]}
        counts = {name: sum((c[name] for _, c in done[1:]), start=done[0][1][name]) for name in done[0][1]}
        return SpikingRun(outputs=outputs, counts=counts, sample_count=samples, timesteps=steps)

    def _check_memory(self, samples: int, steps: int, at_once: int, record: Sequence[str]) -> None:
        """Raise InputError where the states of samples run side by side and all outputs do not fit."""
        values = sum(self._frame_bytes.get(name, 0) for name in {*self.network.results, *record})
        side_by_side, outputs_bytes = min(samples, at_once * self.workers), samples * steps * values
        if max(outputs_bytes, side_by_side * self.plan.widest) > _LITTLE_BYTES:  # asking the system takes its time
            check_memory(self.network, samples=side_by_side, limit_bytes=self.limit_bytes, outputs_bytes=outputs_bytes)

    def _at_once(self, samples: int, steps: int) -> int:
        share = -(-samples // self.workers)
        return max(1, min(share, _AT_ONCE, _WINDOW_LANES // (self.plan.widest * min(steps, 100))))

    def _run_part(
        self, arrays: Mapping[str, Array], *, payloads: bool, record: Sequence[str]
    ) -> tuple[dict[str, Array], dict[str, LayerCounts]]:
        samples, steps = next(iter(arrays.values())).shape[:2]
        session = Session(self.plan, samples=samples, payloads=payloads, record=record)
        window = 1 if self.plan.loops else max(1, min(steps, _WINDOW_LANES // (self.plan.widest * samples)))
        shown: list[dict[str, Array]] = []
        counts: list[dict[str, LayerCounts]] = []
        for begin in range(0, steps, window):
            events = {k: self._events(k, a[:, begin : begin + window]) for k, a in arrays.items()}
            done = session.advance(events, min(window, steps - begin))
            shown.append(done.outputs)
            counts.append(done.counts)
        if len(shown) == 1:
            return shown[0], counts[0]
        outputs = {name: np.concatenate([part[name] for part in shown], axis=1) for name in shown[0]}
        return outputs, {name: LayerCounts.joined([part[name] for part in counts]) for name in counts[0]}

    def _events(self, name: str, array: Array) -> Events:
        return from_dense(array, Layout.of_input(self.network.shape_of(name)), self.plan.number)

    def _arrays(self, inputs: Array | Mapping[str, Array]) -> dict[str, Array]:
        """Return the inputs by name; raises InputError for what does not fit."""
        given = dict(inputs) if isinstance(inputs, Mapping) else dict.fromkeys(self.network.inputs, inputs)
        if len(self.network.inputs) > 1 and not isinstance(inputs, Mapping):
            raise InputError(f"this network has inputs {', '.join(self.network.inputs)}: give them by name")
        arrays = {}
        for name in self.network.inputs:
            shape = self.network.shape_of(name)
            if name not in given:
                raise InputError(f"no events for input '{name}' (given: {', '.join(given) or 'nothing'})")
            array = np.asarray(given[name])
            if array.dtype.kind not in "biuf" or array.shape[2:] != shape or not array.size:
                raise InputError(
                    f"input '{name}' needs numbers of shape (samples, steps, {', '.join(map(str, shape))}), at least "
                    f"one sample and one step; got {array.dtype} of shape {array.shape}"
                )
            _check_values(name, array, whole=self.plan.number is np.int32)
            arrays[name] = array
        if len({array.shape[:2] for array in arrays.values()}) > 1:
            raise InputError("inputs need the same number of samples and steps")
        return arrays


def _has_payloads(array: Array) -> bool:
    if array.dtype == np.bool_:
        return False
    return bool(array.max() > 1 or array.min() < 0 or (array.dtype.kind == "f" and np.any((array != 0) & (array != 1))))


def _check_values(name: str, array: Array, *, whole: bool) -> None:
    if array.dtype == np.bool_:
        return
    if array.dtype.kind == "f" and not np.isfinite(array.sum(dtype=np.float64)) and not np.all(np.isfinite(array)):
        raise InputError(f"input '{name}' holds NaN or infinity")
    if whole and array.dtype.kind == "f" and np.any(array != np.rint(array)):
        raise InputError(f"input '{name}' holds fractions: an int8 network takes whole numbers of spikes")
    if whole and max(float(array.max()), -float(array.min())) > 2**15 - 1:
        raise InputError(f"input '{name}' holds payloads beyond 15 bits: an int8 network takes at most 32767")
