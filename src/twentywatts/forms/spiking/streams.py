"""Streams: a session fed by events as they come, window after window, in constant memory, for ever.

stream = EventStream(engine, step_s=1e-3)
for events in event_chunks("recording.aedat"):      # or any iterable of AddressEvents
    for window in stream.feed(events):
        window.outputs, window.counts
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import InputError
from twentywatts.forms.spiking.events import Events, Layout, events_of
from twentywatts.forms.spiking.network_engine import SpikingEngine
from twentywatts.forms.spiking.session import Window

__all__ = ["AddressEvents", "EventStream"]

Array = NDArray[Any]
_LAST_STEP = 2.0**53  # further ones are no whole numbers any more
_MOST_EVENTS = 2**24  # that wait for their window to close


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AddressEvents:
    """Events of a sensor, in order of time: time_s [s], column x, row y, polarity p (0 off, 1 on), all of one length.

    Raises InputError where the lengths differ or a number is none.
    """

    time_s: NDArray[np.float64]
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    p: NDArray[np.int64]

    def __post_init__(self) -> None:
        """Check the arrays, and bring them to one type each."""
        for name, kind in (("time_s", np.float64), ("x", np.int64), ("y", np.int64), ("p", np.int64)):
            array = np.asarray(getattr(self, name))
            if array.ndim != 1 or array.dtype.kind not in "biuf" or len(array) != len(np.asarray(self.time_s)):
                raise InputError(f"events need time_s, x, y and p of one length; {name} has shape {array.shape}")
            if array.dtype.kind == "f" and not np.all(np.isfinite(array)):
                raise InputError(f"{name} of events holds NaN or infinity")
            if name != "time_s" and array.dtype.kind == "f" and np.any(array != np.rint(array)):
                raise InputError(f"{name} of events holds fractions: addresses are whole numbers")
            object.__setattr__(self, name, array.astype(kind))


class EventStream:
    """Feeds a network whose input has shape (polarities, rows, columns) from a sensor.

    step_s: duration of a step [s], the network's own if None. window_steps: steps that are run at once; an event is
    seen when its window has closed. several: whether equal events of one step count each; else a pixel spikes once
    per step and polarity. start_s: time of step 0 [s], that of the first event if None.
    Raises InputError for a network with another input, or without a duration of a step.
    """

    def __init__(
        self,
        engine: SpikingEngine,
        *,
        step_s: float | None = None,
        window_steps: int = 10,
        several: bool = False,
        start_s: float | None = None,
    ) -> None:
        network = engine.network
        name, shape = next(iter(network.inputs.items()))
        if len(network.inputs) != 1 or len(shape) != 3 or shape[0] not in (1, 2):
            raise InputError(f"a stream feeds one input of shape (1 or 2, rows, columns); this network has {shape}")
        duration_s = step_s if step_s is not None else network.step_s
        if duration_s is None or not np.isfinite(duration_s) or duration_s <= 0:
            raise InputError(f"a stream needs the duration of a step above 0 s, got {duration_s}: give step_s")
        if window_steps < 1:
            raise InputError(f"a window has at least one step, got {window_steps}")
        self.input, self.shape, self.step_s = name, tuple(shape), float(duration_s)
        self.window_steps = 1 if engine.plan.loops else window_steps
        self.several, self.start_s = several, start_s
        self.session = engine.start(payloads=several)
        self._layout = Layout.of_input(self.shape)
        self._latest_s = -np.inf
        self._steps: Array = np.zeros(0, np.int64)
        self._neurons: Array = np.zeros(0, np.int64)

    def feed(self, events: AddressEvents) -> Iterator[Window]:
        """Take events and yield the windows that they close, in order.

        Raises InputError for events before those already seen, and for addresses outside the sensor.
        """
        if len(events.time_s):
            self._take(events)
        now = int(self._steps[-1]) if len(self._steps) else self.session.step
        while now >= self.session.step + self.window_steps:
            yield self._advance(self.window_steps)

    def finish(self) -> Iterator[Window]:
        """Yield the last window, which has not been filled, if events wait in it; the stream may go on after it."""
        if len(self._steps):
            yield self._advance(int(self._steps[-1]) - self.session.step + 1)

    def _take(self, events: AddressEvents) -> None:
        """Check the events and put them into the queue."""
        self._check(events)
        if self.start_s is None:
            self.start_s = float(events.time_s[0])
        places = np.floor((events.time_s - self.start_s) / self.step_s + 1e-9)
        if places[-1] >= _LAST_STEP:
            raise InputError(
                f"an event at {events.time_s[-1]:g} s lies {places[-1]:.3g} steps after the start: times are seconds"
            )
        steps = places.astype(np.int64)
        if steps[0] < self.session.step:
            raise InputError(
                f"an event at {events.time_s[0]:.6f} s comes too late: its window has been run; feed events in order "
                "of time"
            )
        if len(self._steps) + len(steps) > _MOST_EVENTS:
            raise InputError(
                f"more than {_MOST_EVENTS:,} events wait for one window: feed smaller pieces of the stream"
            )
        polarity = events.p if self.shape[0] == 2 else np.zeros_like(events.p)
        neurons = (polarity * self.shape[1] + events.y) * self.shape[2] + events.x
        self._latest_s = float(events.time_s[-1])
        self._steps = np.concatenate([self._steps, steps])
        self._neurons = np.concatenate([self._neurons, neurons])

    def _check(self, events: AddressEvents) -> None:
        times = np.concatenate([[self._latest_s], events.time_s])
        back = np.flatnonzero(np.diff(times) < 0)
        if len(back):
            raise InputError(
                f"the stream is out of order: event {back[0]} at {events.time_s[back[0]]:.6f} s follows one at "
                f"{times[back[0]]:.6f} s; sort the events by time"
            )
        for name, values, size in (("x", events.x, self.shape[2]), ("y", events.y, self.shape[1]), ("p", events.p, 2)):
            wrong = np.flatnonzero((values < 0) | (values >= size))
            if len(wrong):
                raise InputError(
                    f"event {wrong[0]} has {name} = {values[wrong[0]]}, outside the sensor: 0 to {size - 1} are wanted"
                )

    def _advance(self, steps: int) -> Window:
        """Run the next steps with what has been queued for them."""
        begin = self.session.step
        count = int(np.searchsorted(self._steps, begin + steps))
        found = events_of(self._steps[:count] - begin, self._neurons[:count], steps, self._layout)
        value = found.value.astype(self.session.plan.number) if self.several else found.value[:0]
        self._steps, self._neurons = self._steps[count:], self._neurons[count:]
        return self.session.advance({self.input: Events(found.first, found.neuron, value)}, steps)
