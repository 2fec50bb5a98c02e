"""The meter for people: ``measure``, ``Meter``, ``measured``, ``mark``."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Sequence

from twentywatts.errors import InputError, TwentyWattsError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, ParamSpec, Self, TypeVar, overload

    from twentywatts.figures import Evidence
    from twentywatts.ledger import Ledger
    from twentywatts.meter import shared
    from twentywatts.meter.assemble import Assembly
    from twentywatts.meter.contract import How, Reading, Source
    from twentywatts.meter.sampler import Sample
    from twentywatts.meter.window import Edge, Span
    from twentywatts.uncertain import Interval

    P = ParamSpec("P")
    R = TypeVar("R")

__all__ = ["Meter", "mark", "measure", "measured"]

_BY_PROCESSOR_TIME = ("package", "dram", "soc")  # scopes
_HERE = threading.local()  # the meters that are running in this thread, innermost last


class Meter:
    """Measures between ``start`` and ``stop``, or inside ``with``; ``mark`` ends a lap. It may be started again.

    name: for people. require_measured: raise a TwentyWattsError instead of modelling what no counter tells.
    sources: where to look for counters (default: this machine), or an Assembly. period_s: take samples this often.
    on_sample: gets every pass of samples, from the sampler's thread too; if it raises, a RuntimeWarning tells at the
    end. attribute: note the host's busy time as well, for ``attributed``. Raises InputError for what cannot be one.
    """

    def __init__(
        self,
        name: str = "",
        *,
        require_measured: bool = False,
        sources: Assembly | Sequence[Source] | None = None,
        period_s: float | None = None,
        on_sample: Callable[[list[Sample]], None] | None = None,
        attribute: bool = False,
    ) -> None:
        _check(name, period_s, sources, on_sample)
        self.name, self.require_measured = name, require_measured
        self._is_attributed = attribute
        self._wanted = (sources, period_s, on_sample)
        self._instrument: shared.Instrument | None = None
        self._edges: list[Edge] = []
        self._names: list[str] = []
        self._span: Span | None = None

    def start(self) -> Self:
        """Open the window; raises TwentyWattsError where a measurement is required and no counter lives."""
        if self._instrument is not None:
            raise InputError(f"the meter '{self.name}' is running already: stop it first, or use a second one")
        from twentywatts.meter import shared
        from twentywatts.meter.window import Edge

        sources, period_s, on_sample = self._wanted
        found = shared.instrument(sources, period_s=period_s, on_sample=on_sample)
        if self.require_measured and not found.assembly.summed:
            if found.is_own:
                found.sampler.close()
            raise TwentyWattsError(_nothing_lives(found.assembly))
        self._instrument, self._span, self._names = found, None, []
        _stack().append(self)
        time_s, states = found.sampler.begin()
        self._edges = [Edge(time_s, states, *self._times())]
        return self

    def stop(self) -> Self:
        """Close the window; raises TwentyWattsError where a measurement is required and none was possible."""
        running = self._instrument
        if running is None:
            raise InputError(self._not_running())
        from twentywatts.meter.window import Edge

        cpu_s, busy_s = self._times()
        time_s, states = running.sampler.end()
        self._instrument = None
        if self in _stack():
            _stack().remove(self)
        if running.is_own:
            running.sampler.close()
        if running.sampler.consumer_error:
            _tell_failed(running.sampler.consumer_error)
        self._edges.append(Edge(time_s, states, cpu_s, busy_s))
        self._span = self._between(self.name, running.assembly, self._edges[0], self._edges[-1])
        if self.require_measured and not self._span.is_measured:
            reasons = "; ".join(self._span.total.not_covered)
            raise TwentyWattsError(f"the energy of '{self.name or 'this window'}' could not be measured: {reasons}")
        return self

    def mark(self, name: str = "") -> None:
        """End a lap: the stretch since the last mark, or since the start, gets this name."""
        self._edges.append(self._edge())
        self._names.append(name)

    def now(self) -> Span:
        """Return the window so far; this ends no lap. Raises InputError where the meter is not running."""
        edge = self._edge()
        return self._between(self.name, self._assembly(), self._edges[0], edge)

    @property
    def laps(self) -> tuple[Span, ...]:
        """The stretches that marks ended, in order; what follows the last mark is in the whole alone."""
        assembly = self._assembly()
        return tuple(
            self._between(name, assembly, first, last)
            for name, first, last in zip(self._names, self._edges, self._edges[1:], strict=False)
        )

    @property
    def span(self) -> Span:
        """The whole window; raises TwentyWattsError while the meter runs or before it ran."""
        if self._span is None:
            raise InputError(f"the meter '{self.name}' has no result yet: ask after its `with` block, or stop it first")
        return self._span

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        try:
            if self._instrument is not None:
                self.stop()
        except TwentyWattsError:
            if kind is None:  # what went wrong inside is the better news
                raise

    def __repr__(self) -> str:
        state = "running" if self._instrument is not None else "not started" if self._span is None else str(self._span)
        return f"<Meter {self.name!r}: {state}>"

    @property
    def energy_j(self) -> float | None:
        """Joules of the total; None where there are none."""
        return self.span.energy_j

    @property
    def interval(self) -> Interval | None:
        """Joules of the total with their bounds; None where there are none."""
        return self.span.interval

    @property
    def how(self) -> How:
        """How the weakest joule of the total was obtained."""
        return self.span.how

    @property
    def evidence(self) -> Evidence:
        """Evidence of the weakest joule of the total."""
        return self.span.evidence

    @property
    def readings(self) -> tuple[Reading, ...]:
        """One reading per channel."""
        return self.span.readings

    @property
    def duration_s(self) -> float:
        """Length of the window [s]."""
        return self.span.duration_s

    @property
    def ledger(self) -> Ledger:
        """The account of the window, joules per run; raises TwentyWattsError where there are none."""
        return self.span.ledger

    def attributed(self, *, idle_w: float | None = None) -> tuple[Reading, ...]:
        """Return this program's part of what its processors drew, and the idle part, by channel.

        idle_w: what one channel draws while nothing runs (a benchmark measures it). The meter must have been made with
        ``attribute=True``; raises TwentyWattsError otherwise.
        """
        from twentywatts.meter.attribution import attribute

        share = self.span.share_frac
        if share is None:
            raise InputError("the busy time of this host is not known: make the meter with attribute=True")
        shared_out = [reading for reading in self.readings if reading.scope in _BY_PROCESSOR_TIME]
        counted = [reading for reading in shared_out if reading.how == "counter"]
        parts = [attribute(reading, share, busy_s=self.span.busy_s, idle_w=idle_w) for reading in counted]
        return tuple(reading for pair in parts for reading in pair if reading is not None)

    def _edge(self) -> Edge:
        """Read everything once; raises InputError where the meter is not running."""
        if self._instrument is None:
            raise InputError(self._not_running())
        from twentywatts.meter.window import Edge

        cpu_s, busy_s = self._times()
        time_s, states = self._instrument.sampler.states()
        return Edge(time_s, states, cpu_s, busy_s)

    def _not_running(self) -> str:
        name = f" '{self.name}'" if self.name else ""
        return f"the meter{name} is not running: start it first, by `with meter:` or meter.start()"

    def _times(self) -> tuple[float, float | None]:
        """Return the processor time of the program and the busy time of the host, None where nothing is shared out.

        Of several ranks in one container each is shared out by its own processes, not by the container's.
        """
        ranks = bool(self._instrument and self._instrument.assembly.elsewhere)
        if not self._is_attributed and not ranks:
            from twentywatts.meter.processes import own_cpu_time_s

            return own_cpu_time_s(), None
        from twentywatts.meter.attribution import busy_s, program_s

        return program_s(whole_group=not ranks), busy_s()

    def _assembly(self) -> Assembly:
        return self._instrument.assembly if self._instrument is not None else self.span.assembly

    def _between(self, name: str, assembly: Assembly, first: Edge, last: Edge) -> Span:
        from twentywatts.meter.window import Span

        return Span(name, assembly, first, last, is_modelled=not self.require_measured)


def measure(
    name: str = "",
    *,
    require_measured: bool = False,
    sources: Assembly | Sequence[Source] | None = None,
    period_s: float | None = None,
    on_sample: Callable[[list[Sample]], None] | None = None,
    attribute: bool = False,
) -> Meter:
    """Return a meter for a ``with`` statement; afterwards ask its ``energy_j``, ``interval``, ``how``, ``ledger``.

    The arguments are those of Meter. Where nothing can be measured the joules are modelled and say so
    (``m.how == "modelled"``); with ``require_measured`` a TwentyWattsError says what would help.
    """
    return Meter(
        name,
        require_measured=require_measured,
        sources=sources,
        period_s=period_s,
        on_sample=on_sample,
        attribute=attribute,
    )


def _check(name: object, period_s: object, sources: object, on_sample: object) -> None:
    """Raise InputError for what no meter can be made of: before the work begins, not while it runs."""
    if not isinstance(name, str):
        raise InputError(f"the name of a meter must be a text, got {name!r:.60}")
    is_number = isinstance(period_s, int | float) and not isinstance(period_s, bool)
    if period_s is not None and not (is_number and 0.001 <= period_s <= 1e6):  # type: ignore[operator]
        raise InputError(f"the sampling period must be seconds from 0.001 to 1e6, or None, got {period_s!r:.60}")
    if not (sources is None or hasattr(sources, "summed") or _is_list_of_sources(sources)):
        raise InputError(f"sources must be a list of meter sources, an Assembly or None, got {sources!r:.60}")
    if on_sample is not None and not callable(on_sample):
        raise InputError(f"on_sample must be a function that takes a list of samples, got {on_sample!r:.60}")


def _is_list_of_sources(sources: object) -> bool:
    return isinstance(sources, list | tuple) and all(hasattr(source, "channels") for source in sources)


def _tell_failed(consumer_error: str) -> None:
    """Warn that ``on_sample`` raised: the measurement is whole, but what it was to do with the samples is not."""
    import warnings

    warnings.warn(f"on_sample failed ({consumer_error}); the joules are complete", RuntimeWarning, stacklevel=3)


def _stack() -> list[Meter]:
    if not hasattr(_HERE, "meters"):
        _HERE.meters = []
    found: list[Meter] = _HERE.meters
    return found


def _forget() -> None:
    """After a fork nothing runs in the child: its parent's meters and their locks are not its own."""
    _HERE.meters = []


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)


def mark(name: str = "") -> None:
    """End a lap of the innermost meter that runs in this thread, and tell the measuring parent, if there is one.

    Under ``twentywatts measure -- program`` the mark reaches the parent over an inherited descriptor. Where nobody
    measures nothing happens, so marks may stay in a program.
    """
    if "TWENTYWATTS_MARKS_FD" in os.environ:
        from twentywatts.meter.marks import tell_parent

        tell_parent(name)
    if _stack():
        _stack()[-1].mark(name)


def _nothing_lives(assembly: Assembly) -> str:
    reasons = [f"{channel.component}: {reason}" for channel, reason in (*assembly.rejected, *assembly.apart)]
    said = "; ".join(reasons[:4]) or "none was found that can be read"
    return f"no live energy counter ({said}). `twentywatts doctor` lists every counter with the commands that open it"


if TYPE_CHECKING:

    @overload
    def measured(function: Callable[P, R], /) -> Callable[P, R]: ...
    @overload
    def measured(
        *, repeat: int = 1, warmup: int = 0, name: str = "", require_measured: bool = False
    ) -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def measured(
    function: Callable[..., Any] | None = None,
    /,
    *,
    repeat: int = 1,
    warmup: int = 0,
    name: str = "",
    require_measured: bool = False,
) -> Any:
    """Measure every call of a function: ``@measured`` or ``@measured(repeat=5, warmup=1)``.

    The function is called ``warmup`` times unmeasured, then ``repeat`` times, each a lap; the last value is returned.
    The meter of the last call is ``function.last``. Raises InputError for coroutines and generators.
    """
    if repeat < 1 or warmup < 0:
        raise InputError(f"repeat must be at least 1 and warmup at least 0, got {repeat} and {warmup}")
    from twentywatts.meter.callables import check_works_now, name_of

    def decorate(inner: Callable[..., Any]) -> Callable[..., Any]:
        check_works_now(inner)
        called = name or name_of(inner)

        @functools.wraps(inner)
        def call(*args: Any, **kwargs: Any) -> Any:
            for _ in range(warmup):
                inner(*args, **kwargs)
            with Meter(called, require_measured=require_measured) as meter:
                call.last = meter  # type: ignore[attr-defined]
                for turn in range(repeat):
                    value = inner(*args, **kwargs)
                    meter.mark(str(turn))
            return value

        call.last = None  # type: ignore[attr-defined]
        return call

    return decorate if function is None else decorate(function)
