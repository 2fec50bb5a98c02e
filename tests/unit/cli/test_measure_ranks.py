"""`twentywatts measure` under a batch system: several ranks, workers inside one command, claims."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest
from tests.support.measured import MEASURE, document, measure, started

from twentywatts.meter.attribution import busy_s

pytestmark = pytest.mark.skipif(not hasattr(os, "posix_spawnp"), reason="commands are measured on POSIX systems")


def test_of_several_ranks_one_counts_the_node(machine: dict[str, str], tmp_path: Path) -> None:
    job = {**machine, "SLURM_JOB_ID": f"test-{os.getpid()}", "XDG_RUNTIME_DIR": str(tmp_path)}
    first, sleeper = started("--json", tmp_path / "0.json", env={**job, "SLURM_LOCALID": "0"})
    measure("--json", tmp_path / "1.json", "--", "sleep", "0.2", env={**job, "SLURM_LOCALID": "1"})
    os.kill(sleeper, signal.SIGTERM)
    first.communicate(timeout=60)
    one, other = document(tmp_path / "0.json"), document(tmp_path / "1.json")
    assert one["energy_j"]["mid"] > 0
    assert other["energy_j"] is None, "the sum over ranks is the node, once"
    assert any("another rank" in row["reason"] for row in other["not_read"])
    if busy_s():  # some sandboxes tell of no processor time in /proc/stat
        assert any(row["how"] == "attributed" and not row["in_total"] for row in other["components"])


NESTED = "import time, twentywatts as tw\nwith tw.measure() as m: time.sleep(0.2)\nprint(m.how, m.energy_j)"


def test_a_rank_under_its_own_meter_inherits_what_that_one_holds(machine: dict[str, str], tmp_path: Path) -> None:
    job = {**machine, "SLURM_JOB_ID": f"nested-{os.getpid()}", "XDG_RUNTIME_DIR": str(tmp_path)}
    inside = ["--", sys.executable, "-c", NESTED]
    alone = measure(*inside, env={**job, "SLURM_LOCALID": "0"})
    assert alone.stdout.startswith("counter "), alone.stderr
    first, sleeper = started(env={**job, "SLURM_LOCALID": "0"})
    other = measure(*inside, env={**job, "SLURM_LOCALID": "1"})
    twice = measure("--", *MEASURE, *inside, env={**job, "SLURM_LOCALID": "1", "SLURM_JOB_ID": "another"})
    os.kill(sleeper, signal.SIGTERM)
    first.communicate(timeout=60)
    assert other.stdout == "unavailable None\n", "its meter does not hold the node, so neither does the program"
    assert twice.stdout.startswith("counter "), twice.stderr


# each shows that it measures, and goes on once the other does too
AT_ONCE = """
import pathlib, sys, time, twentywatts as tw
mine, other = map(pathlib.Path, sys.argv[1:])
with tw.measure() as m:
    mine.touch()
    while not other.exists(): time.sleep(0.01)
    time.sleep(0.2)
print(m.how, m.energy_j)
"""


def test_workers_inside_one_command_count_the_node_once(machine: dict[str, str], tmp_path: Path) -> None:
    job = {**machine, "LOCAL_RANK": "0", "MASTER_PORT": str(os.getpid()), "XDG_RUNTIME_DIR": str(tmp_path)}
    both = f"import subprocess, sys\nrun = [sys.executable, '-c', {AT_ONCE!r}]\n"
    both += "pairs = (sys.argv[1:], sys.argv[:0:-1])\n"
    both += "one, other = (subprocess.Popen([*run, *pair], stdout=subprocess.PIPE, text=True) for pair in pairs)\n"
    both += "print(one.communicate()[0], other.communicate()[0])"
    done = measure("--", sys.executable, "-c", both, tmp_path / "one", tmp_path / "other", env=job)
    assert sorted(line.split()[0] for line in done.stdout.splitlines() if line.strip()) == ["counter", "unavailable"]


@pytest.mark.parametrize("told", ["", "\t", "x\t0\tnode", "\t\t\t", "é\t-1", "x" * 9999])
def test_a_claim_that_nobody_made_is_ignored(told: str, bare: dict[str, str]) -> None:
    done = measure("--", "true", env={**bare, "LOCAL_RANK": "0", "TWENTYWATTS_CLAIM": told})
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
