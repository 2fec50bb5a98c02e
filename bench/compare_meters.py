"""The same load under every installed meter, side by side: joules, how they came about, and what each one says.

    python bench/compare_meters.py [--seconds 20] [--rounds 3] [--peer NAME=/path/to/python …]

Method: one thread of Python arithmetic for the given time, in a fresh interpreter per meter; the meters take turns, and
each round begins with another one; medians, and the least and largest of the rounds. A peer runs in the interpreter
that is given for it, so that their requirements do not have to agree: codecarbon, carbontracker, zeus, eco2ai,
pyjoules. Without a wall meter there is no ground truth: read the spread, and what each tool says about its own number.
"interval" is what the tool itself gives for one run.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

Row = dict[str, Any]

LOAD = """
import time
def load(seconds):
    end, x = time.monotonic() + seconds, 1.0
    while time.monotonic() < end:
        for _ in range(10000):
            x = x * 1.0000001 + 1e-9
    return x
"""

PEERS = {
    "codecarbon": """
from codecarbon import OfflineEmissionsTracker
t = OfflineEmissionsTracker(country_iso_code="FRA", save_to_file=False, log_level="error", measure_power_secs=1)
t.start(); load(SECONDS); t.stop()
tell(t.final_emissions_data.energy_consumed * 3.6e6, str(t.final_emissions_data.cpu_power) + " W cpu, field names only")
""",
    "carbontracker": """
from carbontracker.tracker import CarbonTracker
import tempfile
from carbontracker import parser
folder = tempfile.mkdtemp()
t = CarbonTracker(epochs=1, log_dir=folder, verbose=0)
t.epoch_start(); load(SECONDS); t.epoch_end(); t.stop()
found = parser.parse_all_logs(folder)[0]["actual"]
tell(found["energy (kWh)"] * 3.6e6, "headed 'actual consumption'")
""",
    "zeus": """
from zeus.monitor import ZeusMonitor
t = ZeusMonitor()
t.begin_window("load", sync_execution=False); load(SECONDS); m = t.end_window("load", sync_execution=False)
cpu = sum((m.cpu_energy or {}).values()) if m.cpu_energy else None
tell(m.total_energy if cpu is None else m.total_energy + cpu, f"cpu {cpu}, gpus {m.total_energy}")
""",
    "eco2ai": """
import eco2ai, tempfile, os
path = os.path.join(tempfile.mkdtemp(), "e.csv")
t = eco2ai.Tracker(file_name=path, ignore_warnings=True, alpha_2_code="FR")
t.start(); load(SECONDS); t.stop()
import csv
row = list(csv.DictReader(open(path)))[-1]  # stop() sets what consumption() tells back to 0
tell(float(row["power_consumption(kWh)"]) * 3.6e6, "nothing in its file says measured or estimated")
""",
    "pyjoules": """
from pyJoules.energy_meter import EnergyContext
from pyJoules.handler import EnergyHandler
class Keep(EnergyHandler):
    def process(self, trace): self.trace = trace
keep = Keep()
with EnergyContext(handler=keep): load(SECONDS)
tell(sum(sum(s.energy.values()) for s in keep.trace) / 1e6, "counters only")
""",
}


def main() -> None:
    parser = argparse.ArgumentParser(description="The same load under every installed meter.")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of the load (20)")
    parser.add_argument("--rounds", type=int, default=3, help="how often each meter has its turn (3)")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON", help="may be given several times")
    args = parser.parse_args()
    meters: list[tuple[str, Callable[[], Row]]] = [("twentywatts", lambda: _ours(args.seconds))]
    for pair in args.peer:
        name, _, python = pair.partition("=")
        if name not in PEERS or not Path(python).exists():
            parser.error(f"--peer takes NAME=PYTHON with NAME of {', '.join(PEERS)}, got '{pair}'")
        meters.append((name, partial(_peer, name, python, args.seconds)))
    found: dict[str, list[Row]] = {name: [] for name, _ in meters}
    for turn in range(args.rounds):
        shift = turn % len(meters)
        for name, run in meters[shift:] + meters[:shift]:
            found[name].append(run())
    print(" ".join((__doc__ or "").partition("Method: ")[2].split()))
    print(
        f"\n{args.rounds} round{'s' if args.rounds > 1 else ''} of {args.seconds:g} s; ",
        f"Python {sys.version.split()[0]}; {os.cpu_count()} processors, ",
        sep="",
        end="",
    )
    print(f"load average {os.getloadavg()[0]:.1f} at the end.\n")
    print("| meter | joules | of the rounds | interval | watts | kind | says |\n|---|---|---|---|---|---|---|")
    for name, rows in found.items():
        print(f"| {name} | {' | '.join(_cells(rows, args.seconds))} |")


def _cells(rows: list[Row], seconds: float) -> list[str]:
    """Return what stands in the line of one meter."""
    values = sorted(row["energy_j"] for row in rows if row["energy_j"] is not None)
    last = rows[-1]
    if not values:
        return ["none", "", "", "", last["kind"], last["says"]]
    spread = f"{values[0]:.3g}–{values[-1]:.3g}"
    return [
        f"{median(values):.4g}",
        spread,
        last["interval"],
        f"{median(values) / seconds:.3g}",
        last["kind"],
        last["says"],
    ]


def _ours(seconds: float) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "run.json"
        load = [sys.executable, "-c", f"{LOAD}\nload({seconds})"]
        line = [sys.executable, "-m", "twentywatts", "measure", "--json", str(target), "--", *load]
        subprocess.run(line, check=True, capture_output=True)
        found = json.loads(target.read_text(encoding="utf-8"))
    energy = found["energy_j"]
    interval = f"{energy['low']:.3g}–{energy['high']:.3g}" if energy else ""
    says = "measured" if found["measured"] else f"ESTIMATED: {found['why_not_measured']}"
    return {
        "name": "twentywatts",
        "energy_j": energy["mid"] if energy else None,
        "interval": interval,
        "kind": found["how"],
        "says": says,
    }


def _peer(name: str, python: str, seconds: float) -> Row:
    tell = 'import json\ndef tell(joules, says): print("RESULT", json.dumps([joules, says]))\n'
    code = f"{LOAD}{tell}SECONDS = {seconds}\n{PEERS[name]}"
    row = {"name": name, "energy_j": None, "interval": "none given", "kind": "not told", "says": ""}
    try:
        done = subprocess.run(
            [python, "-c", code], capture_output=True, text=True, timeout=seconds * 3 + 120, check=False
        )
    except subprocess.TimeoutExpired:
        return row | {"says": "did not end"}
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    if done.returncode or not lines:
        return row | {"says": f"failed: {(done.stderr.strip().splitlines() or ['no words'])[-1][:90]}"}
    joules, says = json.loads(lines[-1].removeprefix("RESULT "))
    return row | {"energy_j": joules, "says": says}


if __name__ == "__main__":
    main()
