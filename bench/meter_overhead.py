"""What measuring costs: CPU time of import, of the first and later windows, and of sampling in the background.

    python bench/meter_overhead.py [--peer codecarbon=/path/to/python ...] [--rounds 7] [--seconds 20]

Method: every figure is CPU time (user and system, helper processes included) inside a fresh interpreter that finds its
byte code compiled; the tools take turns, each round begins with another one, and a first round is thrown away; medians,
and the least in brackets. Peers run in interpreters of their own, named by their path; none is installed here. Ours
reads four fake RAPL zones that are known to live (a file of verdicts stands beside them); "with the probe" has no such
file and spins until each counter has had its time (these stand still, so it refuses them: its first window alone
tells); "a bare thread" sleeps, reads the same four files and does nothing else; "loaded" starts where NumPy is loaded
already, as in AI programs. "processes" counts the tool's own and its helpers while it measures. The commands are whole:
everything they start, Python's own start included.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

Found = dict[str, float | str]

_TIMED = """
import json, os, resource, sys, time
def cpu():
    own, sub = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + sub.ru_utime + sub.ru_stime
def clean(run):
    quiet = os.dup(1); os.dup2(2, 1)
    try: return run()
    finally: os.dup2(quiet, 1)
found = {}
PRE
start = cpu()
IMPORT
found["import"] = cpu() - start
SETUP
def timed():
    start = cpu(); window(); first = cpu() - start
    start = cpu()
    for _ in range(LATER): window()
    return first, (cpu() - start) / max(LATER, 1)
try:
    found["first"], found["later"] = clean(timed)
    if COUNTED:
        import threading
        def count():
            mine, below = str(os.getpid()), {}
            for name in filter(str.isdigit, os.listdir("/proc")):
                try: below.setdefault(open(f"/proc/{name}/stat").read().rpartition(")")[2].split()[1], []).append(name)
                except OSError: pass
            waiting, seen = [mine], 0
            while waiting: seen += 1; waiting += below.get(waiting.pop(), [])
            found["processes"] = seen
        threading.Timer(SECONDS / 2, count).start(); clean(background)
    elif SECONDS:
        start = cpu(); clean(background); found["background"] = cpu() - start
except Exception as error:
    found["error"] = f"{type(error).__name__}: {error}"[:90]
print(json.dumps(found), flush=True)
os._exit(0)
"""

_OURS_IMPORT = "from twentywatts import measure"
_OURS = """
opened = []
def look():
    from twentywatts.meter.assemble import open_channels
    from twentywatts.meter.checks import Judge
    from twentywatts.meter.sources import files, find_all
    def hold(tree, path, scale):  # counters stay open, as those of the real root do
        held = files.HeldFile(path, scale)
        return held.read, held.close
    files.Tree.meter = hold
    opened.append(open_channels(find_all(root=ROOT), judge=Judge(cache=KNOWN)))
    from twentywatts.meter import shared
    shared._SHARED.append(shared.instrument(opened[0])._replace(is_own=False))
def window():
    if not opened: look()
    with measure("x"): pass
def background():
    with measure("x", sources=opened[0], period_s=PERIOD): time.sleep(SECONDS)
"""

# the least that Python can do: a thread that sleeps, reads the four files that stay open, and keeps the numbers
_FLOOR = """
import glob, threading
def window(): pass
def background():
    held = [os.open(path, os.O_RDONLY) for path in glob.glob(ROOT + "/sys/class/powercap/*/energy_uj")]
    def poll():
        for _ in range(round(SECONDS / PERIOD)):
            time.sleep(PERIOD)
            seen.extend(int(os.pread(file, 64, 0)) for file in held)
    seen, thread = [], threading.Thread(target=poll)
    thread.start()
    time.sleep(SECONDS)
    thread.join()
"""

_PEERS = {
    "codecarbon": (
        "from codecarbon import OfflineEmissionsTracker",
        "def make(): return OfflineEmissionsTracker(country_iso_code='USA', log_level='critical', save_to_file=False)\n"
        "def window():\n    t = make(); t.start(); t.stop()\n"
        "def background():\n    t = make(); t.start(); time.sleep(SECONDS); t.stop()\n",
    ),
    "zeus": (
        "from zeus.monitor import ZeusMonitor",
        "made = []\ndef make():\n    made[:] = made or [ZeusMonitor()]\n    return made[0]\n"
        "def window():\n    t = make(); t.begin_window('x'); t.end_window('x')\n"
        "def background():\n    t = make(); t.begin_window('x'); time.sleep(SECONDS); t.end_window('x')\n",
    ),
    "carbontracker": (
        "from carbontracker.tracker import CarbonTracker",
        "def make(): return CarbonTracker(epochs=1, verbose=0)\n"
        "def window():\n    t = make(); t.epoch_start(); t.epoch_end(); t.stop()\n"
        "def background():\n    t = make(); t.epoch_start(); time.sleep(SECONDS); t.epoch_end(); t.stop()\n",
    ),
    "eco2ai": (
        "import eco2ai",
        "where = dict(project_name='x', file_name=ROOT + '/eco.csv', alpha_2_code='FR')  # else it asks the network\n"
        "def make(): return eco2ai.Tracker(ignore_warnings=True, **where)\n"
        "def window():\n    t = make(); t.start(); t.stop()\n"
        "def background():\n    t = make(); t.start(); time.sleep(SECONDS); t.stop()\n",
    ),
    "pyjoules": (
        "from pyJoules.energy_meter import EnergyContext",
        "def window():\n    with EnergyContext() as t: pass\n"
        "def background():\n    with EnergyContext() as t: time.sleep(SECONDS)\n",
    ),
}


def zones(root: Path) -> None:
    """Write four powercap zones and the verdicts that they live."""
    verdicts = []
    for ident, name in (("0", "package-0"), ("0:0", "dram"), ("1", "package-1"), ("1:0", "dram")):
        folder = root / "sys/class/powercap" / f"intel-rapl:{ident}"
        folder.mkdir(parents=True)
        for file, text in (("name", name), ("energy_uj", 123456789), ("max_energy_range_uj", 262143328850)):
            (folder / file).write_text(f"{text}\n")
        verdicts.append(f"powercap:intel-rapl:{ident}\talive\n")
    (root / "known").write_text("".join(verdicts))


def code(imports: str, setup: str, root: Path, *, period_s: float = 1.0, before: str = "", known: str = "known") -> str:
    """Return the program of one child; SECONDS and COUNTED are left for ``child``."""
    later = 200 if "measure" in imports or "zeus" in imports else 3
    text = _TIMED.replace("IMPORT", imports).replace("SETUP", setup).replace("PRE", before)
    values = {"LATER": later, "PERIOD": period_s, "ROOT": repr(str(root)), "KNOWN": repr(str(root / known))}
    for name, value in values.items():
        text = text.replace(name, str(value))
    return text


def child(python: str, program: str, environment: dict[str, str], *, seconds: float, is_counted: bool = False) -> Found:
    """Run one child; return what it found, in seconds of CPU time."""
    program = program.replace("SECONDS", str(seconds)).replace("COUNTED", str(is_counted))
    command = [python, "-W", "ignore", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=environment)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        return {"error": (done.stderr.strip().splitlines() or ["no answer"])[-1][:90]}
    found: Found = json.loads(lines[-1])
    return found


def whole(command: list[str], environment: dict[str, str]) -> float:
    """Return the CPU time of a command and everything it starts [s]."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, capture_output=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def programs(root: Path, peers: dict[str, str]) -> dict[str, tuple[str, str]]:
    """Return name: (python, program) of everything that takes part."""
    me = sys.executable
    found = {
        "bare": (me, code("pass", "def window(): pass\ndef background(): time.sleep(SECONDS)", root)),
        "a bare thread": (me, code("pass", _FLOOR, root)),
        "a bare thread, 10 Hz": (me, code("pass", _FLOOR, root, period_s=0.1)),
        "twentywatts": (me, code(_OURS_IMPORT, _OURS, root)),
        "twentywatts, 10 Hz": (me, code(_OURS_IMPORT, _OURS, root, period_s=0.1)),
        "twentywatts, loaded": (me, code(_OURS_IMPORT, _OURS, root, before="import numpy")),
        "twentywatts, with the probe": (me, code(_OURS_IMPORT, _OURS, root, known="unknown")),
    }
    return found | {name: (python, code(*_PEERS[name], root)) for name, python in peers.items()}


def rounds(root: Path, peers: dict[str, str], asked: argparse.Namespace) -> dict[str, list[Found]]:
    """Run everything in turns; return what each tool's children found."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    environment = {**kept, "PYTHONPYCACHEPREFIX": str(root / "pyc"), "OMP_NUM_THREADS": "1"}
    everything = list(programs(root, peers).items())
    commands = {
        "bare Python and true": [sys.executable, "-c", "import os; os.system('true')"],
        "twentywatts measure -- true": [sys.executable, "-m", "twentywatts", "measure", "--", "true"],
    }
    rows: dict[str, list[Found]] = {name: [] for name, _ in everything} | {name: [] for name in commands}
    for turn in range(asked.rounds + 1):
        shift = turn % len(everything)
        for name, (python, program) in everything[shift:] + everything[:shift]:
            (root / "unknown").unlink(missing_ok=True)
            has_background = 0 < turn <= asked.background_rounds
            found = child(python, program, environment, seconds=asked.seconds if has_background else 0)
            if turn and "probe" in name:
                found = {key: value for key, value in found.items() if key in ("import", "first")}
            if turn:
                rows[name].append(found)
            elif asked.seconds:
                counted = child(python, program, environment, seconds=2, is_counted=True)
                rows[name] += [{"processes": counted["processes"]}] if "processes" in counted else []
        for name, command in commands.items():
            spent_s = whole(command, environment)
            rows[name] += [{"whole": spent_s}] if turn else []
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON", help=", ".join(_PEERS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=20.0, help="of background sampling")
    parser.add_argument("--background-rounds", type=int, default=2, help="in how many rounds the background is watched")
    asked = parser.parse_args()
    peers = dict(text.split("=", 1) for text in asked.peer)
    if unknown := [name for name, python in peers.items() if name not in _PEERS or not Path(python).exists()]:
        parser.error(f"--peer takes NAME=PYTHON with NAME of {', '.join(_PEERS)}; wrong: {', '.join(unknown)}")
    before = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as place:
        zones(Path(place))
        rows = rounds(Path(place), peers, asked)
    print(" ".join((__doc__ or "").partition("Method: ")[2].split()))
    print(
        f"\n{asked.rounds} rounds, {asked.seconds:g} s of background sampling in {asked.background_rounds} of them; ",
        end="",
    )
    print(f"Python {sys.version.split()[0]}; load average {before:.1f} before, {os.getloadavg()[0]:.1f} after.\n")
    _table(rows)


def _table(rows: dict[str, list[Found]]) -> None:
    columns = (("import", 1e3), ("first", 1e3), ("later", 1e6), ("background", 1e3), ("processes", 1.0))
    print(
        "| tool | import ms | first window ms | later µs | background ms | processes | |\n|---|---|---|---|---|---|---|"
    )
    for name, found in rows.items():
        if not any("whole" in one for one in found):
            cells = [_cell(found, *column) for column in columns]
            error = next((str(one["error"]) for one in found if "error" in one), "")
            print(f"| {name} | {' | '.join(cells)} | {error} |")
    print("\n| command | CPU ms |\n|---|---|")
    for name, found in rows.items():
        if any("whole" in one for one in found):
            print(f"| `{name}` | {_cell(found, 'whole', 1e3)} |")


def _cell(found: list[Found], key: str, scale: float) -> str:
    values = [float(one[key]) for one in found if key in one]
    if not values:
        return "–"
    return f"{values[0]:g}" if key == "processes" else f"{median(values) * scale:.3g} ({min(values) * scale:.3g})"


if __name__ == "__main__":
    main()
