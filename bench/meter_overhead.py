"""What measuring costs: CPU time of import, of the first and later windows, and of sampling in the background.

    python bench/meter_overhead.py [--peer codecarbon=/path/to/python ...] [--rounds 7] [--seconds 20]

Every figure is CPU time (user and system, helper processes included) in a fresh interpreter, tools in turn, medians.
Peers run in interpreters of their own, named by their path; none is installed by this script. Ours runs on four fake
RAPL zones that are known to live; "loaded" starts from an interpreter that has NumPy already, as AI programs do.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

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
    if SECONDS:
        start = cpu(); clean(background); found["background"] = cpu() - start
except Exception as error:
    found["error"] = f"{type(error).__name__}: {error}"[:90]
print(json.dumps(found), flush=True)
os._exit(0)
"""

_OURS_IMPORT = "from twentywatts import measure"
_OURS = """
from pathlib import Path
opened = []
def look():
    if not opened:
        from twentywatts.meter.assemble import open_channels
        from twentywatts.meter.checks import Judge
        from twentywatts.meter.sources import files, find_all
        def hold(tree, path, scale):  # counters stay open, as those of the real root do
            held = files.HeldFile(path, scale)
            return held.read, held.close
        files.Tree.meter = hold
        opened.append(open_channels(find_all(root=Path(ROOT)), judge=Judge(cache=Path(ROOT) / "known")))
        from twentywatts.meter import shared
        mine = shared.instrument(opened[0])._replace(is_own=False)
        shared._SHARED.append(mine)
    return None
def window():
    look()
    with measure("x"): pass
def background():
    with measure("x", sources=opened[0], period_s=PERIOD): time.sleep(SECONDS)
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
        "def make(): return eco2ai.Tracker(project_name='x', file_name=ROOT + '/eco.csv', ignore_warnings=True)\n"
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


def code(imports: str, setup: str, root: Path, *, seconds: float, period_s: float = 1.0, before: str = "") -> str:
    """Return the program of one child."""
    later = 200 if "measure" in imports or "zeus" in imports else 3
    text = _TIMED.replace("IMPORT", imports).replace("SETUP", setup).replace("PRE", before)
    for name, value in (("LATER", later), ("SECONDS", seconds), ("PERIOD", period_s), ("ROOT", repr(str(root)))):
        text = text.replace(name, str(value))
    return text


def child(python: str, program: str) -> dict[str, float | str]:
    """Run one child; return what it found, in seconds of CPU time."""
    command = [python, "-W", "ignore", "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        return {"error": (done.stderr.strip().splitlines() or ["no answer"])[-1][:90]}
    found: dict[str, float | str] = json.loads(lines[-1])
    return found


def programs(root: Path, peers: dict[str, str], seconds: float) -> dict[str, tuple[str, str]]:
    """Return name: (python, program) of everything that takes part."""
    me = sys.executable
    found = {
        "bare": (me, code("pass", "def window(): pass\ndef background(): time.sleep(SECONDS)", root, seconds=0)),
        "twentywatts": (me, code(_OURS_IMPORT, _OURS, root, seconds=seconds)),
        "twentywatts, 10 Hz": (me, code(_OURS_IMPORT, _OURS, root, seconds=seconds, period_s=0.1)),
        "twentywatts, loaded": (me, code(_OURS_IMPORT, _OURS, root, seconds=0, before="import numpy")),
    }
    for name, python in peers.items():
        found[name] = (python, code(*_PEERS[name], root, seconds=seconds))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON", help=", ".join(_PEERS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=20.0, help="of background sampling, in the first round alone")
    asked = parser.parse_args()
    peers = dict(text.split("=", 1) for text in asked.peer)
    rows: dict[str, list[dict[str, float | str]]] = {}
    with tempfile.TemporaryDirectory() as place:
        zones(Path(place))
        for turn in range(asked.rounds):
            for name, (python, program) in programs(Path(place), peers, asked.seconds if turn == 0 else 0).items():
                rows.setdefault(name, []).append(child(python, program))
    print("| tool | import ms | first window ms | later µs | background ms | |\n|---|---|---|---|---|---|")
    for name, found in rows.items():
        cells = [
            _cell(found, *column) for column in (("import", 1e3), ("first", 1e3), ("later", 1e6), ("background", 1e3))
        ]
        error = next((str(one["error"]) for one in found if "error" in one), "")
        print(f"| {name} | {' | '.join(cells)} | {error} |")


def _cell(found: list[dict[str, float | str]], key: str, scale: float) -> str:
    values = [float(one[key]) for one in found if key in one]
    return f"{median(values) * scale:.3g} (least {min(values) * scale:.3g})" if values else "–"


if __name__ == "__main__":
    main()
