"""What is published of the sensors of NVIDIA boards, by architecture (data/meter_errors.toml, read when asked)."""

from __future__ import annotations

from functools import cache

from twentywatts.records import record

__all__ = ["BoardSensor", "board_sensor", "counter_update_s", "usage_average_s"]

OTHER = "other"
_INSTANT = ("kepler", "maxwell", "pascal", "volta", "turing", "ga100")  # PowerUsage is not averaged there (nvml-api)


@record()
class BoardSensor:
    """The sensor of a board.

    error_frac: systematic error against an in-line meter; error_source: its key in sources.toml. averaging_s: what one
    value averages; update_s: how often it is renewed. is_published: the architecture has figures of its own.
    """

    architecture: str
    error_frac: float
    error_source: str
    averaging_s: float
    update_s: float
    is_published: bool

    @property
    def seen_frac(self) -> float:
        """The share of the time that the sensor sees, 1 for all of it."""
        return min(1.0, self.averaging_s / self.update_s)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of its values must know."""
        if self.seen_frac > 0.9:
            return ()
        return (
            f"the power sensor averages {self.averaging_s * 1e3:.0f} ms of every {self.update_s * 1e3:.0f} ms: "
            "a load that repeats in step with it may be misread, so repeat at shifted phases",
        )


@cache
def board_sensor(architecture: str) -> BoardSensor:
    """Return the sensor of an architecture ("hopper", "ga100"); one without figures gets those of its predecessors."""
    from twentywatts.figures import load_figures

    figures = load_figures("meter_errors")

    def name(quantity: str) -> str:
        own = f"nvml_{architecture}_{quantity}"
        return own if own in figures else f"nvml_{OTHER}_{quantity}"

    error, averaging, update = (figures[name(quantity)] for quantity in ("error_frac", "averaging_s", "update_s"))
    return BoardSensor(
        architecture=architecture,
        error_frac=error.value,
        error_source=error.source,
        averaging_s=averaging.value,
        update_s=update.value,
        is_published=name("error_frac") != f"nvml_{OTHER}_error_frac",
    )


@cache
def counter_update_s() -> float:
    """Return how often NVML's total energy counter moves [s]."""
    from twentywatts.figures import load_figures

    return load_figures("meter_errors")["nvml_counter_update_s"].value


@cache
def usage_average_s(architecture: str) -> float:
    """Return what nvmlDeviceGetPowerUsage averages on top of its sensor [s]: 0 up to Turing and on GA100."""
    from twentywatts.figures import load_figures

    return 0.0 if architecture in _INSTANT else load_figures("meter_errors")["nvml_average_averaging_s"].value
