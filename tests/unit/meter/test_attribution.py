"""Attribution and the node lock: who drew it, and who counts it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.meter.fakes import channel

from twentywatts.errors import InputError
from twentywatts.meter.accumulate import State
from twentywatts.meter.assemble import Assembly
from twentywatts.meter.attribution import attribute, busy_s, group_s, program_s
from twentywatts.meter.contract import How, Scope
from twentywatts.meter.fallback import modelled
from twentywatts.meter.lock import claim, job_of
from twentywatts.meter.reading import reading_of, unavailable
from twentywatts.meter.window import Edge, Span


def test_a_worker_that_still_runs_is_part_of_the_program() -> None:
    burn = "import time\nwhile time.process_time() < 0.5: pass\nprint('burnt', flush=True)\ninput()"
    before_s = program_s()
    with subprocess.Popen([sys.executable, "-c", burn], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        assert worker.stdout is not None
        assert worker.stdout.readline().strip() == b"burnt"
        living_s = program_s() - before_s
        worker.communicate(b"\n")
    tick_s = 1 / os.sysconf("SC_CLK_TCK")  # some kernels count a process's time in ticks throughout
    assert living_s >= 0.5 - 4 * tick_s, "user and system time of what lives, each at two moments"
    assert program_s() - before_s >= 0.5 - 4 * tick_s, "and it is not lost when it ends"


def test_a_container_counts_its_whole_group(tmp_path: Path) -> None:
    own = tmp_path / "proc" / str(os.getpid())
    own.mkdir(parents=True)
    (own / "cgroup").write_text("1:name=systemd:/x\n0::/\n")
    (tmp_path / "sys/fs/cgroup/job").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cpu.stat").write_text("usage_usec 7000000123456\nuser_usec 1\n")
    assert program_s(root=tmp_path) < 1e6, "a host's root group has no events file: it holds everything"
    (tmp_path / "sys/fs/cgroup/cgroup.events").write_text("populated 1\n")
    assert program_s(root=tmp_path) == pytest.approx(7000000.123456)
    assert program_s(whole_group=False, root=tmp_path) < 1e6
    (own / "cgroup").write_text("0::/job\n")
    (tmp_path / "sys/fs/cgroup/job/cpu.stat").write_text("usage_usec 3000000\n")
    assert group_s(os.getpid(), root=tmp_path) == pytest.approx(3.0)
    assert program_s(root=tmp_path) != pytest.approx(3.0), "on a host the group may hold others"
    (own / "cgroup").write_text("0::/../../etc\n")
    assert group_s(os.getpid(), root=tmp_path) is None


@pytest.mark.parametrize("text", ["", "cpu", "cpu a b c d e f g", "intr 1 2 3 4 5 6 7 8", "\x00"])
def test_what_a_host_does_not_tell_is_not_known(tmp_path: Path, text: str) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/stat").write_text(text)
    assert busy_s(tmp_path) is None


def test_busy_time_leaves_out_waiting_and_what_others_took(tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/stat").write_text("cpu  400 100 200 5000 70 20 30 900 0 0\ncpu0 1 2 3\n")
    assert busy_s(tmp_path) == pytest.approx(750 / os.sysconf("SC_CLK_TCK"))


def test_a_window_s_share_is_of_the_busy_time_in_it() -> None:
    def span(*edges: tuple[float, float | None]) -> Span:
        first, last = (Edge(time_s, {}, cpu_s, busy) for time_s, (cpu_s, busy) in enumerate(edges))
        return Span(name="", assembly=Assembly(), first=first, last=last)

    assert (span((1.0, 10.0), (3.0, 14.0)).share_frac, span((1.0, 10.0), (3.0, 14.0)).busy_s) == (0.5, 4.0)
    assert span((1.0, 10.0), (9.0, 14.0)).share_frac == 1.0
    assert span((1.0, 10.0), (3.0, 10.0)).share_frac is None
    assert span((1.0, None), (3.0, 14.0)).share_frac is None


READING = reading_of(
    channel(),
    State(raw=0.0, samples=1),
    State(time_s=10.0, raw=500.0, energy_j=500.0, covered_s=10.0, moved_s=10.0, samples=2),
    10.0,
)


def test_a_program_s_part_is_its_share_above_idle() -> None:
    program, idle = attribute(READING, 0.25, busy_s=8.0, idle_w=10.0)
    assert idle is not None
    assert (program.energy_j, idle.energy_j) == (100.0, 100.0)
    assert (program.how, program.evidence, idle.how) == (How.ATTRIBUTED, 2, How.ATTRIBUTED)
    assert program.low_j is not None
    assert program.high_j is not None
    assert program.low_j < 100 < program.high_j
    assert program.key != READING.key


def test_on_an_idle_machine_two_ticks_are_much_of_the_busy_time() -> None:
    busy, idle = (attribute(READING, 0.5, busy_s=seconds, idle_w=0.0)[0] for seconds in (10.0, 0.1))
    tick_s = 1 / os.sysconf("SC_CLK_TCK")
    assert READING.high_j is not None
    assert busy.high_j == pytest.approx((0.5 + 2 * tick_s / 10.0) * READING.high_j)
    assert idle.high_j == pytest.approx(min(1.0, 0.5 + 2 * tick_s / 0.1) * READING.high_j)


def test_without_an_idle_power_the_bounds_allow_for_it() -> None:
    program, idle = attribute(READING, 0.5, busy_s=8.0)
    assert idle is None
    assert (program.energy_j, program.low_j) == (250.0, 0.0)
    assert "idle power was not measured" in program.notes[1]


def test_more_idle_than_energy_leaves_nothing_and_nothing_negative() -> None:
    program, idle = attribute(READING, 1.0, busy_s=8.0, idle_w=1000.0)
    assert idle is not None
    assert (program.energy_j, program.low_j, idle.energy_j) == (0.0, 0.0, 500.0)
    for reading in (program, idle):
        assert reading.low_j is not None
        assert reading.high_j is not None
        assert reading.energy_j is not None
        assert 0 <= reading.low_j <= reading.energy_j <= reading.high_j


def test_nothing_is_shared_out_of_nothing() -> None:
    program, idle = attribute(unavailable(channel(), "frozen"), 0.5, busy_s=8.0, idle_w=1.0)
    assert (program.how, program.energy_j, idle) == (How.UNAVAILABLE, None, None)
    with pytest.raises(InputError):
        attribute(READING, 1.5, busy_s=8.0)
    with pytest.raises(InputError):
        attribute(READING, 0.5, busy_s=8.0, idle_w=float("nan"))


def test_the_first_rank_counts_the_node_and_each_its_own_board(tmp_path: Path) -> None:
    package = channel(key="rapl:0")
    boards = [channel(key=f"nvml:{number}", scope=Scope.GPU) for number in range(2)]
    first = claim([package, boards[0]], "job", folder=tmp_path, boot="b")
    second = claim([package, boards[1]], "job", folder=tmp_path, boot="b")
    other_job = claim([package], "other", folder=tmp_path, boot="b")
    assert first.elsewhere == other_job.elsewhere == {}
    assert second.elsewhere.keys() == {"rapl:0"}
    first.release()
    third = claim([package], "job", folder=tmp_path, boot="b")
    assert third.elsewhere == {}
    for one in (second, third, other_job):
        one.release()


def test_where_no_lock_can_be_made_the_rank_measures(tmp_path: Path) -> None:
    assert claim([channel()], "job", folder=tmp_path / "none", boot="b").elsewhere == {}


def test_ranks_are_told_by_their_launcher() -> None:
    assert job_of({}) is None
    assert job_of({"LOCAL_RANK": "x"}) is None
    assert job_of({"SLURM_JOB_ID": "7"}) is None
    assert job_of({"SLURM_LOCALID": "3", "SLURM_JOB_ID": "7", "SLURM_STEP_ID": "0"}) == "7.0"
    assert job_of({"LOCAL_RANK": "1", "TORCHELASTIC_RUN_ID": "none", "MASTER_PORT": "29500"}) == "none.29500"
    assert (job_of({"OMPI_COMM_WORLD_LOCAL_RANK": "1"}) or "").startswith("parent-")


def test_the_model_runs_from_idle_to_full_and_says_what_it_is(tmp_path: Path) -> None:
    idle, full = modelled(10.0, 0.0, root=tmp_path), modelled(10.0, 1e9, root=tmp_path)
    for reading in (idle, full):
        assert (reading.how, reading.evidence <= 1) == (How.MODELLED, True)
        assert reading.low_j is not None
        assert reading.high_j is not None
        assert reading.energy_j is not None
        assert 0 < reading.low_j < reading.energy_j < reading.high_j
        assert "MODELLED" in reading.notes[0]
    assert idle.energy_j is not None
    assert full.energy_j is not None
    assert idle.energy_j < full.energy_j
    assert modelled(0.0, 0.0, root=tmp_path).how is How.UNAVAILABLE
