"""A session: states of some samples on their way through time, window after window, in constant memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import InputError, nearest
from twentywatts.forms.spiking.events import Events, from_bits, late, merged, sum_up, tally, to_dense
from twentywatts.forms.spiking.kernel_dense import dense
from twentywatts.forms.spiking.kernel_general import add_events, update
from twentywatts.forms.spiking.kernel_scatter import Sleep, scatter
from twentywatts.forms.spiking.matrix import product
from twentywatts.forms.spiking.plan import LayerPlan, Plan

__all__ = ["LayerCounts", "Session", "Window"]

Array = NDArray[Any]
_NOTHING = np.zeros(0, np.int32)
_AWAKE = Sleep(
    last=np.zeros((0, 0), np.int64),
    above=np.zeros((0, 0), np.uint64),
    hot=np.zeros((0, 0), np.int64),
    hot_count=np.zeros(0, np.int64),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LayerCounts:
    """What a layer did, by step, summed over samples, each of shape (steps,).

    events_in: that arrived, several spikes of one event each for itself. synaptic_events: over weights that are not
    zero; zero_weight_events: over weights that are. neurons_touched: reached by a synaptic event, with a bias or a
    synaptic current, or still above threshold. spikes_out: sent, each of several for itself.
    """

    events_in: NDArray[np.int64]
    synaptic_events: NDArray[np.int64]
    zero_weight_events: NDArray[np.int64]
    neurons_touched: NDArray[np.int64]
    spikes_out: NDArray[np.int64]

    def table(self) -> NDArray[np.int64]:
        """Return all counts, shape (5, steps)."""
        return np.stack(
            [
                self.events_in,
                self.synaptic_events,
                self.zero_weight_events,
                self.neurons_touched,
                self.spikes_out,
            ]
        )

    @classmethod
    def of_table(cls, table: NDArray[np.int64]) -> LayerCounts:
        """Return counts from a table as ``table`` gives."""
        return cls(
            events_in=table[0],
            synaptic_events=table[1],
            zero_weight_events=table[2],
            neurons_touched=table[3],
            spikes_out=table[4],
        )

    @classmethod
    def joined(cls, parts: Sequence[LayerCounts]) -> LayerCounts:
        """Return counts of windows that follow each other."""
        return cls.of_table(np.concatenate([part.table() for part in parts], axis=1))

    def __add__(self, other: LayerCounts) -> LayerCounts:
        """Return the counts of more samples."""
        return self.of_table(self.table() + other.table())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Window:
    """What a window gives: outputs as in SpikingRun, and counts by layer."""

    outputs: dict[str, Array]
    counts: dict[str, LayerCounts]


@dataclass(kw_only=True, eq=False)
class _State:
    """One layer's states. past: for each projection with a delay, its source's events of as many steps."""

    membranes: Array
    currents: Array
    sleep: Sleep
    past: dict[int, Events] = field(default_factory=dict)


class Session:
    """Runs a plan from step 0 on; ``advance`` takes the next window. Nothing grows with the number of windows."""

    def __init__(self, plan: Plan, *, samples: int, payloads: bool, record: Sequence[str]) -> None:
        for name in record:
            names = {layer.layer.name for layer in plan.layers}
            if name not in names:
                raise InputError(f"no layer is named '{name}'{nearest(name, names)}")
        self.plan, self.samples, self.payloads = plan, samples, payloads
        self.shown = {*plan.network.results, *record}
        self.step = 0
        self._states = {layer.layer.name: _state(layer, samples) for layer in plan.layers}
        self._payloads = dict.fromkeys(plan.network.inputs, payloads)
        self._nothing: Array = np.zeros(0, plan.number)
        self._payloads |= {layer.layer.name: layer.sends_payloads for layer in plan.layers}

    def advance(self, inputs: Mapping[str, Events], steps: int) -> Window:
        """Run ``steps`` steps more; inputs: events of samples × steps frames, by name.

        Raises InputError for no steps, for payloads in a session that was started without, and for a window of
        several steps where a layer hears itself.
        """
        if steps < 1:
            raise InputError(f"a run needs at least one step, got {steps}")
        if self.plan.loops and steps > 1:
            raise InputError("a network with loops runs one step at a time: give windows of one step")
        known = dict(inputs)
        for name, events in inputs.items():
            self._check(name, events, steps)
        outputs, counts = {}, {}
        for layer in self.plan.layers:
            name = layer.layer.name
            if layer.is_prompt:
                arriving = [known[packed.source] for packed in layer.packed]
            else:
                arriving = [self._arriving(layer, number, known, steps) for number in range(len(layer.packed))]
            known[name], payloads, counts[name] = self._run(layer, arriving, steps)
            if name in self.shown:
                outputs[name] = self._shown(layer, known[name], payloads)
        if self.plan.delayed:
            self._remember(known, steps)
        self.step += steps
        return Window(outputs=outputs, counts=counts)

    def _check(self, name: str, events: Events, steps: int) -> None:
        if len(events.first) != self.samples * steps + 1:
            raise InputError(f"input '{name}' has {len(events.first) - 1} frames, wanted {self.samples} × {steps}")
        if events.value.size and not self.payloads:
            raise InputError(f"input '{name}' has events other than 1: start the session with payloads=True")
        if events.value.size and self.plan.number is np.int32:
            self._check_sums(name, float(np.abs(events.value).max(initial=0)))

    def _check_sums(self, name: str, largest: float) -> None:
        """Raise InputError where payloads of an input may sum up to more than 32 bits hold."""
        for layer in self.plan.layers:
            for packed, factor in zip(layer.packed, layer.parameters.factors, strict=True):
                if packed.source == name and packed.sums.max(initial=0.0) * factor * largest >= 2**30:
                    raise InputError(
                        f"input '{name}' has payloads up to {largest:g}: their sums in layer '{layer.layer.name}' may "
                        "pass 32 bits; use float32 weights"
                    )

    def _run(self, layer: LayerPlan, arriving: Sequence[Events], steps: int) -> tuple[Events, Array, LayerCounts]:
        """Return a layer's events, its table of payloads if it shows its membrane, and what it did."""
        single = not any(self._payloads[p.source] for p in layer.packed)
        as_matrix = layer.matrix_above is not None and single and _rate(arriving[0], layer) > layer.matrix_above
        if layer.is_simple and single and not as_matrix:
            return self._simple(layer, arriving[0], steps)
        frames, lanes, number = self.samples * steps, layer.layout.lanes, self.plan.number
        spikes, touched = np.zeros((frames, -(-lanes // 64) * 8), np.uint8), np.zeros(frames, np.int64)
        width = lanes if layer.sends_payloads or layer.shows_membrane else 0
        found: tuple[Array, Array, Array] = (spikes, np.zeros((frames, width), number), touched)
        if as_matrix:
            sums = product(arriving[0], layer.rows, layer, number)  # type: ignore[arg-type]
        else:
            sums = (np.zeros((frames, lanes), number), np.zeros((frames, lanes // 8), np.uint8))
            for events, packed, factor in zip(arriving, layer.packed, layer.parameters.factors, strict=True):
                add_events(events.first, events.neuron, events.value, factor, packed.wiring, sums)
        state = self._states[layer.layer.name]
        update(*sums, layer.parameters.cells, layer.parameters.odd, (state.membranes, state.currents), found)
        sent = from_bits(spikes, found[1] if layer.sends_payloads else found[1][:, :0])
        return sent, found[1], self._counts(layer, arriving, sent, touched, steps)

    def _simple(self, layer: LayerPlan, arriving: Events, steps: int) -> tuple[Events, Array, LayerCounts]:
        """Do what ``_run`` does where single spikes come through one projection."""
        state, packed = self._states[layer.layer.name], layer.packed[0]
        first, index, nothing = arriving.first, arriving.neuron, self._nothing
        if layer.rows is not None:
            cells, window = layer.parameters.cells, (steps, packed.fan_out)
            sent, who, table = dense(first, index, layer.rows, cells, state.membranes, window)
        else:
            cells, sleeping = layer.parameters.tile, (state.membranes, state.sleep, self.step)
            lazily = (steps, layer.layout.shape[0], cells.biased, packed.fan_out, packed.small)
            sent, who, table = scatter(first, index, packed.wiring, cells, sleeping, lazily)
        return Events(sent, who, nothing), nothing, LayerCounts.of_table(table)

    def _arriving(self, layer: LayerPlan, number: int, known: Mapping[str, Events], steps: int) -> Events:
        """Return what arrives through one projection in this window."""
        source, delays = layer.packed[number].source, layer.delays[number]
        if np.ndim(delays) == 0 and delays == 0:
            return known[source]
        past = self._past(layer, number)
        window = known.get(source)
        if window is None:  # a loop: what it sends in this step arrives later
            window = Events(np.zeros(self.samples * steps + 1, np.int64), past.neuron[:0], past.value[:0])
        return late(merged(past, window, self.samples), self.samples, delays, steps)

    def _past(self, layer: LayerPlan, number: int) -> Events:
        state, longest = self._states[layer.layer.name], int(np.max(layer.delays[number]))
        if number not in state.past:
            empty: Array = np.zeros(0, self.plan.number)
            state.past[number] = Events(np.zeros(self.samples * longest + 1, np.int64), _NOTHING, empty)
        return state.past[number]

    def _remember(self, known: Mapping[str, Events], steps: int) -> None:
        """Keep as many steps of each source as its longest delay needs."""
        for layer in self.plan.layers:
            for number, delays in enumerate(layer.delays):
                longest = int(np.max(delays))
                if longest:
                    whole = merged(self._past(layer, number), known[layer.packed[number].source], self.samples)
                    past = late(whole, self.samples, 0, longest)
                    self._states[layer.layer.name].past[number] = past

    def _counts(
        self, layer: LayerPlan, arriving: Sequence[Events], sent: Events, touched: Array, steps: int
    ) -> LayerCounts:
        table = np.zeros((5, steps), np.int64)
        for events, packed in zip(arriving, layer.packed, strict=True):
            many = self._many(packed.source, events)
            tally(events.first, events.neuron, many, packed.fan_out, steps, table)
        sum_up(sent.first, self._many(layer.layer.name, sent), touched, table)
        return LayerCounts.of_table(table)

    def _many(self, source: str, events: Events) -> Array:
        """Return how many spikes each event stands for, or nothing where each stands for one."""
        if not events.value.size:
            return _NOTHING
        plans = {layer.layer.name: layer for layer in self.plan.layers}
        if source in plans:
            return np.abs(events.value).astype(np.int32) if plans[source].sends_several else _NOTHING
        whole = np.all(events.value == np.rint(events.value))
        return np.abs(events.value).astype(np.int32) if whole else _NOTHING

    def _shown(self, layer: LayerPlan, events: Events, payloads: Array) -> Array:
        parameters = layer.parameters
        if layer.shows_membrane:
            shown = payloads * parameters.unit + parameters.rest
            return shown.astype(np.float32)[:, layer.layout.places()].reshape(self.samples, -1, *layer.layout.shape)
        found = to_dense(events, self.samples, layer.layout)
        if layer.sends_payloads and not layer.sends_several:
            return (found * parameters.value).astype(np.float32)
        return found


def _state(layer: LayerPlan, samples: int) -> _State:
    parameters = layer.parameters
    membranes = parameters.start[None].repeat(samples, axis=0)
    currents = np.zeros_like(membranes) if parameters.odd.keeps_current else membranes[:, :0]
    if layer.rows is not None or not layer.is_simple:
        return _State(membranes=membranes, currents=currents, sleep=_AWAKE)
    hot = np.zeros((samples, layer.layout.positions), np.int64)
    hot[:, : len(parameters.hot)] = parameters.hot
    count = np.full(samples, len(parameters.hot), np.int64)
    above = parameters.above[None].repeat(samples, axis=0)
    sleep = Sleep(last=np.zeros_like(hot), above=above, hot=hot, hot_count=count)
    return _State(membranes=membranes, currents=currents, sleep=sleep)


def _rate(events: Events, layer: LayerPlan) -> float:
    frames = len(events.first) - 1
    inputs = layer.rows.inputs if layer.rows is not None else 1
    return len(events.neuron) / (frames * inputs)
