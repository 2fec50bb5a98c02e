"""Damage machines while they are measured; whatever they do, the meter must give honest joules or a reason.

    python bench/fuzz_meter.py [COUNT] [SEED]

A case is a fixture machine with damaged files, an NVML that lies, or counters that follow a wild script. Each goes
through the sources, the probe, the sampler and three windows. A case is wrong where an exception escapes, a joule is
negative, infinite or a measured zero, an interval does not hold its value, a number that was not measured is called
measured, or more is counted than the plausible power allows. Prints what came out; exit code 1 if any case is wrong.
"""

from __future__ import annotations

import argparse
import math
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.fake_nvml import fuzzed
from tests.support.machines import FILE_SOURCES, MACHINES, Simulation

from twentywatts.errors import TwentyWattsError
from twentywatts.meter.assemble import Assembly, open_channels
from twentywatts.meter.checks import Judge
from twentywatts.meter.contract import Channel, How, Quantity, ReadError, Scope, Source
from twentywatts.meter.sampler import Sampler
from twentywatts.meter.sources import find_all, nvml
from twentywatts.meter.sources.files import FoundSource
from twentywatts.meter.window import Edge, Span

_MEASURED = (How.COUNTER, How.INTEGRATED)
_TEXTS = ("", "0", "-1", "nan", "inf", "1e400", "18446744073709551615", "18446744073709551616", "0x10", "12 34", "٣")
_TEXTS += ("1\x00", "\x1b[2J", "9" * 5000, "262143328850", "65532610987", "1", "Discharging", "Charging", "package-0")
_WILD = (None, -1.0, 0.0, math.nan, math.inf, -math.inf, 1e-300, 1e300, 2.0**32, "7", b"7", True, [], 10**400)


class Case:
    """One machine: its sources, its clock, and how its time passes."""

    def __init__(self, kind: str, clock: Callable[[], float], sources: Sequence[Source]) -> None:
        self.kind, self.clock, self.sources = kind, clock, sources
        self.pass_time: Callable[[float], None] = lambda seconds: None
        self.damage: Callable[[], None] = lambda: None


def _files(draw: random.Random, folder: Path) -> Case:
    """Return a fixture machine with some files damaged now, and more of them as time passes."""
    name = draw.choice(sorted(MACHINES))
    installed = MACHINES[name].at(folder)
    simulation = installed.simulation
    rate = draw.choice([0.0, 0.02, 0.1, 0.4])

    def damage() -> None:
        places = sorted(path for path in folder.rglob("*") if not path.is_symlink())
        for path in places:
            if draw.random() < rate / 4:
                _break(path, draw)

    def pass_time(seconds: float) -> None:
        for dial in simulation.dials.values():
            if draw.random() < rate / 2:
                dial.energy_j = draw.choice([0.0, dial.energy_j / 2, dial.energy_j + 1e7])
            dial.advance(simulation.now_s, seconds * draw.choice([0, 1, 1, 1]) if rate else seconds)
        simulation.now_s += seconds
        _write(simulation)

    damage()
    options = {kind: made for kind, made in installed.options.items() if kind in FILE_SOURCES}
    reader = installed.machine.reader
    sources = find_all(root=folder, reader=reader, only=FILE_SOURCES, options=options)
    case = Case(f"files of {name}", simulation.clock, sources)
    case.pass_time, case.damage = pass_time, damage
    return case


def _write(simulation: Simulation) -> None:
    for dial in simulation.dials.values():
        try:
            dial.write()
        except OSError:  # the file was damaged beyond writing
            continue


def _break(path: Path, draw: random.Random) -> None:
    try:
        if path.is_dir():
            if draw.random() < 0.2:
                shutil.rmtree(path)
            return
        how = draw.randrange(5)
        if how == 0:
            path.unlink()
        elif how == 1:
            path.unlink()
            path.mkdir()
        elif how == 2:
            path.unlink()
            path.symlink_to(draw.choice(["nowhere", path.name, "../..", "/etc/hostname"]))
        else:
            path.unlink()  # it may be a pipe, which would wait for a reader
            text = draw.choice(_TEXTS).encode()
            path.write_bytes(draw.randbytes(draw.randrange(60)) if how == 3 else text)
    except OSError:
        return


def _boards(draw: random.Random, folder: Path) -> Case:
    """Return a machine whose NVML fails, lies and reloads."""
    simulation = Simulation(folder)
    fake = fuzzed(draw.randrange(2**32), simulation.clock)
    case = Case("nvml", simulation.clock, [nvml.find(root=folder, nvml=fake, environ={})])

    def damage() -> None:
        if draw.random() < 0.2:
            fake.reload()
        for board in fake.boards:
            board.lost = board.lost or draw.random() < 0.05

    case.pass_time, case.damage = simulation.advance, damage
    return case


def _scripts(draw: random.Random, folder: Path) -> Case:
    """Return channels with odd properties whose values follow a wild script."""
    simulation = Simulation(folder)
    rate = draw.choice([0.0, 0.05, 0.3, 1.0])
    channels = [_channel(draw, simulation, number, rate) for number in range(draw.randrange(6))]
    case = Case("script", simulation.clock, [FoundSource(name="script", found=tuple(channels))])
    case.pass_time = simulation.advance
    return case


def _channel(draw: random.Random, simulation: Simulation, number: int, rate: float) -> Channel:
    quantity, power_w = draw.choice(list(Quantity)), draw.choice([0.0, 1e-3, 5.0, 300.0, 1999.0, 1e6])
    range_j = draw.choice([None, 0.0, 1.0, 65_536.0, 262_144.0])
    start_j = draw.random() * 3e5

    def read() -> float:
        if draw.random() < rate:
            if draw.random() < 0.5:
                raise draw.choice([ReadError("no data"), OSError(5, "io"), RuntimeError(), KeyError("libamd_smi.so")])
            return draw.choice(_WILD)  # type: ignore[return-value]
        if quantity is Quantity.POWER:
            return power_w
        energy_j = start_j + power_w * simulation.now_s
        return energy_j % range_j if range_j else energy_j

    return Channel(
        key=f"script:{number}",
        component=f"part {number}",
        scope=draw.choice(list(Scope)),
        quantity=quantity,
        read=read,
        source=draw.choice(["script", "other"]),
        step_j=draw.choice([0.0, 2.0**-14, 1e-3, 360.0]),
        range_j=range_j,
        range_is_known=draw.random() < 0.8,
        period_s=draw.choice([1e-3, 0.1, 60.0]),
        error_frac=draw.choice([0.0, 0.05, 1.0, 3.0]),
        inside=tuple(f"script:{draw.randrange(6)}" for _ in range(draw.randrange(2))),
        twin=draw.choice(["", "", "", "a"]),
    )


def wrongs(span: Span) -> list[str]:
    """Return what is dishonest in a window."""
    found = []
    limits = {channel.key: channel for channel in span.assembly.channels}
    for reading in span.readings:
        values = (reading.energy_j, reading.low_j, reading.high_j)
        if reading.how is How.UNAVAILABLE:
            if values != (None, None, None) or not reading.notes:
                found.append(f"{reading.key}: unavailable, but {values} and the reason {reading.notes}")
            continue
        if any(value is None or not 0 <= value < math.inf for value in values):
            found.append(f"{reading.key}: {values}")
            continue
        energy_j, low_j, high_j = (value or 0.0 for value in values)
        if not low_j <= energy_j <= high_j:
            found.append(f"{reading.key}: {energy_j} outside {low_j} to {high_j}")
        if reading.how in _MEASURED:
            channel = limits[reading.key]
            most_j = channel.limit_w * (span.duration_s + 2 * channel.period_s * reading.samples) + channel.step_j
            if energy_j == 0 or energy_j > most_j + channel.step_j * reading.samples:
                found.append(f"{reading.key}: measured {energy_j} J in {span.duration_s} s")
    return found + _wrong_total(span)


def _wrong_total(span: Span) -> list[str]:
    total = span.total
    if total.energy_j is None:
        return [] if span.how is How.UNAVAILABLE else [f"no joules, but {span.how}"]
    if not 0 < total.energy_j < math.inf:
        return [f"a total of {total.energy_j} J"]
    if span.is_measured and not any(part.key in span.assembly.summed for part in total.parts):
        return ["called measured without a counter"]
    mid_j = span.ledger.energy_j.mid
    return [] if math.isclose(mid_j, total.energy_j, rel_tol=1e-9) else [f"ledger {mid_j}, total {total.energy_j}"]


def _windows(draw: random.Random, case: Case, assembly: Assembly) -> tuple[list[str], Counter[str]]:
    sampler = Sampler(assembly.channels, case.clock, slept=lambda: 0.0)
    found, hows = [], Counter[str]()
    for _ in range(3):
        first = Edge(*sampler.begin())
        for _ in range(draw.randrange(4)):
            case.pass_time(draw.choice([1e-4, 0.05, 1.0, 16.0, 300.0]))
            case.damage()
            sampler.snapshot()
        case.pass_time(draw.choice([1e-4, 0.2, 5.0]))
        span = Span("fuzz", assembly, first, Edge(*sampler.end()), is_modelled=draw.random() < 0.05)
        try:
            found += wrongs(span)
            hows[span.how] += 1
        except TwentyWattsError as error:
            found.append(f"a total without a ledger: {error}")
        case.pass_time(draw.choice([0.0, 1.0, 1e5]))
    sampler.close()
    return found, hows


def play(seed: int, folder: Path) -> tuple[str, list[str], Counter[str]]:
    """Return the kind of one case, what was wrong with it, and how its windows came out."""
    draw = random.Random(seed)
    case = draw.choice([_files, _files, _boards, _scripts])(draw, folder)
    judge = Judge(clock=case.clock, spin=case.pass_time) if draw.random() < 0.8 else None
    assembly = open_channels(case.sources, judge=judge)
    for source in case.sources:
        source.findings()
    return case.kind, *_windows(draw, case, assembly)


def main(count: int = 10_000, seed: int = 0) -> int:
    """Play ``count`` cases; returns how many were wrong."""
    started, bad = time.perf_counter(), []
    tally, hows = Counter[str](), Counter[str]()
    with tempfile.TemporaryDirectory() as place:
        for number in range(count):
            folder = Path(place) / str(number) / "root"  # some machines have links to what stands beside them
            folder.mkdir(parents=True)
            kind = "?"
            try:
                kind, found, came = play(seed + number, folder)
                hows += came
            except Exception:  # the very thing that is sought
                found = [traceback.format_exc(limit=-2)]
            tally[kind.split(" of ", maxsplit=1)[0]] += 1
            bad += [f"seed {seed + number} ({kind}): {text}" for text in found[:3]]
            shutil.rmtree(folder.parent, ignore_errors=True)
    print(f"{count} machines in {time.perf_counter() - started:.0f} s: {dict(tally)}, {len(bad)} wrong")
    print(f"windows: { {str(how): number for how, number in hows.items()} }")
    print("\n".join(bad[:30]))
    return len(bad)


def arguments() -> argparse.ArgumentParser:
    """Return what may be asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, nargs="?", default=10_000)
    parser.add_argument("seed", type=int, nargs="?", default=0)
    return parser


if __name__ == "__main__":
    sys.exit(1 if main(**vars(arguments().parse_args())) else 0)
