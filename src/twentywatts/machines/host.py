"""this-cpu: the processor of this computer, composed from what it says of itself and from published figures.

    peak = cores x clock x operations per cycle          (data/cpu_models.csv, bounded by the reported instructions)
    power = cores x watts per core                       (data/cpu_models.csv: TDP and idle power over the cores)

Everything else is one core's share of a generic server processor (machines/data/host/generic-cpu.toml) times the
cores. A virtual machine sees a share of a server and cannot know its clock, its neighbours or whether its processors
are cores or threads, so all it tells is graded as a guess, as is a model that the table does not know.
Detection never fails: a computer that tells nothing is one core with wide intervals, and the summary says so.

TWENTYWATTS_THIS_CPU=NAME_OR_TOML replaces detection by a machine or a file, for documents that must come out the same
everywhere.
"""

from __future__ import annotations

import os
import platform
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

from twentywatts.errors import MachineError, counted
from twentywatts.figures import Figure
from twentywatts.machines import powers
from twentywatts.machines.catalog import load, parse
from twentywatts.machines.machine import Machine
from twentywatts.machines.probe import Host, probe
from twentywatts.units import unit_of_key

__all__ = ["OVERRIDE", "this_cpu"]

OVERRIDE = "TWENTYWATTS_THIS_CPU"
_NAME = "this-cpu"
_OWN = "twentywatts"  # source key of what this project assumes or reads itself
_SHARES = (
    "peak_fp32_flop_per_s peak_int8_op_per_s memory_bandwidth_bytes_per_s memory_capacity_bytes max_power_w "
    "idle_power_w cache_capacity_bytes"
).split()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """What is known of a host: its row of cpu_models.csv (or none), and how far it may be believed."""

    host: Host
    row: Mapping[str, str]
    cores: int
    clock_hz: float
    clock_where: str
    detection: Mapping[str, Any]

    def grade(self, column: str) -> str:
        """Return derived where the row is cited and the machine is a real one, else guess."""
        return powers.grade(self.row, column, is_virtual=self.host.virtual)

    @property
    def condition(self) -> str:
        return powers.condition(self.cores, is_virtual=self.host.virtual)


def this_cpu(*, root: Path = Path("/"), platform_machine: str | None = None) -> Machine:
    """Return the processor of the computer whose file system starts at ``root``; never fails on what it finds there.

    ``platform_machine`` is the architecture's name as ``platform.machine()`` tells it. Raises MachineError only where
    TWENTYWATTS_THIS_CPU (read for the real root alone) names no processor.
    """
    wanted = os.environ.get(OVERRIDE, "").strip() if root == Path("/") else ""
    if wanted and wanted != _NAME:
        return _replaced(wanted)
    try:
        return _compose(probe(root, platform_machine or platform.machine()))
    except Exception as error:  # whatever a strange computer holds, the reference row must exist
        return _compose(Host(), f"detection failed ({type(error).__name__})")


def _replaced(wanted: str) -> Machine:
    try:
        machine = load(wanted)
    except MachineError as error:
        raise MachineError(f"{OVERRIDE}: {error}") from error
    if machine.family != "processor" or machine.refused:
        raise MachineError(f"{OVERRIDE} must name a processor that can be priced, got '{wanted}'")
    return replace(machine, name=_NAME, origin=f"{OVERRIDE}={wanted}")


@cache
def _generic() -> tuple[Machine, Mapping[str, Any]]:
    """Return one core of a generic processor and what detection assumes."""
    path = files("twentywatts") / "machines" / "data" / "host" / "generic-cpu.toml"
    tables = tomllib.loads(path.read_text(encoding="utf-8"))
    detection = {**tables.pop("detection"), **{f"power_{name}": bounds for name, bounds in powers.spreads().items()}}
    return parse(tables, origin="bundled"), detection


def _compose(host: Host, reason: str = "") -> Machine:
    generic, detection = _generic()
    clock_hz, clock_where = _clock(host, detection)
    cores = powers.cores_of(host)
    row = powers.row_of(host.text)
    known = _Known(host=host, row=row, cores=cores, clock_hz=clock_hz, clock_where=clock_where, detection=detection)
    figures = {key: _share(figure, known) for key, figure in generic.figures.items()}
    found = {**_rates(known), **_powers(known), **_capacities(known, figures)}
    model = host.model or row.get("microarchitecture", "") or "unknown processor"
    return Machine(
        name=_NAME,
        title=f"This computer: {model}",
        family="processor",
        year=generic.year,
        summary=_summary(known, reason),
        figures={**figures, **found},
        traits={"kind": "cpu", "cores": cores, "source": row.get("source", _OWN)},
        boundary=generic.boundary,
        origin="detected",
    )


def _summary(known: _Known, reason: str) -> str:
    host = known.host
    if not (reason or host.model or host.core_count or host.thread_count):
        reason = "nothing readable under /proc and /sys"
    if reason:
        return (
            f"Nothing is known of this processor, {reason}: one core of a generic server processor, a guess throughout."
        )
    kind = known.row.get("microarchitecture", "a model that the table does not know: generic figures")
    place = "; a virtual machine, which sees a share of a server" if host.virtual else ""
    threads = max(host.thread_count, known.cores)
    found = f"{counted(known.cores, 'core')}, {counted(threads, 'thread')}"
    return f"Detected: {found}, {known.clock_where}; {kind}{place}."


def _clock(host: Host, detection: Mapping[str, Any]) -> tuple[float, str]:
    """Return the clock with all cores at work [Hz], between nominal and highest, and how it was found."""
    if host.base_hz and host.max_hz > host.base_hz:
        value = (host.base_hz * host.max_hz) ** 0.5
        return value, f"{value / 1e9:.2f} GHz (between nominal and highest)"
    if host.max_hz or host.base_hz:
        value = host.max_hz or host.base_hz
        return value, f"{value / 1e9:.2f} GHz ({'highest' if host.max_hz else 'nominal'})"
    value = float(detection["clock_hz"])
    return value, f"{value / 1e9:.2f} GHz assumed"


def _share(figure: Figure, known: _Known) -> Figure:
    """Return a generic figure for all cores of the host; energies and times stay as they are."""
    if figure.key not in _SHARES:
        return figure
    count = known.cores
    return replace(
        figure,
        value=figure.value * count,
        low=figure.low * count,
        high=figure.high * count,
        grade="guess",
        condition=f"{figure.condition}; times {known.condition}",
    )


def _rates(known: _Known) -> dict[str, Figure]:
    """Return peak rates, cores x clock x operations per cycle, where the model or its instructions are known."""
    wanted = (
        ("peak_fp32_flop_per_s", "fp32_flop_per_cycle", "grade", "source"),
        ("peak_int8_op_per_s", "int8_op_per_cycle", "int8_grade", "int8_source"),
    )
    found = {}
    for key, column, grade_column, source_column in wanted:
        bounds = [ops for flag, ops in known.detection[column].items() if flag in known.host.flags]
        listed = float(known.row.get(f"{column}_per_core", "0"))
        per_cycle = min(listed or max(bounds, default=0), max(bounds, default=listed))
        if per_cycle:
            grade = known.grade(grade_column)
            where = f"{counted(known.cores, 'core')} x {known.clock_where} x {per_cycle:g} operations per cycle"
            value = known.cores * known.clock_hz * per_cycle
            source = known.row.get(source_column, _OWN)
            found[key] = _figure(key, value, known, spread=f"rate_{grade}", texts=(grade, source, where))
    return found


def _powers(known: _Known) -> dict[str, Figure]:
    """Return powers: watts per core of the published package power, times the cores."""
    if not known.row:
        return {}
    grade = known.grade("power_grade")
    found = {}
    for key, column in powers.COLUMNS.items():
        per_core = float(known.row[column])
        texts = (
            grade,
            known.row["power_source"],
            f"{counted(known.cores, 'core')} x {per_core:g} W, package power over its cores",
        )
        found[key] = _figure(key, per_core * known.cores, known, spread=f"power_{grade}", texts=texts)
    return found


def _capacities(known: _Known, shares: Mapping[str, Figure]) -> dict[str, Figure]:
    """Return what the host tells exactly (memory), nearly (cache), and the process node of its model."""
    host, found = known.host, {}
    if host.memory_bytes:
        texts = ("measured", _OWN, "as the operating system tells it")
        found["memory_capacity_bytes"] = _figure("memory_capacity_bytes", host.memory_bytes, known, texts=texts)
    if host.cache_bytes:
        texts = ("guess" if host.virtual else "measured", _OWN, "last-level cache as the operating system tells it")
        figure = _figure("cache_capacity_bytes", host.cache_bytes, known, spread="cache", texts=texts)
        # the whole server's cache is shown to each of its virtual machines
        low = min(figure.low, shares["cache_capacity_bytes"].low) if host.virtual else figure.low
        found["cache_capacity_bytes"] = replace(figure, low=low)
    if known.row:
        texts = (known.grade("grade"), known.row["source"], f"process of {known.row['microarchitecture']}")
        found["process_nm"] = _figure("process_nm", float(known.row["process_nm"]), known, texts=texts)
    return found


def _figure(key: str, value: float, known: _Known, *, texts: tuple[str, str, str], spread: str = "") -> Figure:
    """Return a figure of this host; ``texts`` are grade, source and where, ``spread`` names the interval."""
    low, high = known.detection[spread] if spread else (1.0, 1.0)
    grade, source, where = texts
    return Figure(
        key=key,
        value=value,
        low=value * low,
        high=value * high,
        unit=unit_of_key(key),
        grade=grade,
        source=source,
        where=where,
        condition=known.condition,
    )
