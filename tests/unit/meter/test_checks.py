"""The judge: dead counters, mirrors, and the cache of a boot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.unit.meter.fakes import RANGE_J, STEP_J, Clock, Counter, channel, power

from twentywatts.meter.checks import Judge, boot_id, cache_file
from twentywatts.meter.contract import Channel, Scope


class Machine:
    """A clock and counters that tick a little with every reading, as real ones do."""

    def __init__(self, cache: Path | None = None, fresh: bool = False) -> None:
        self.clock = Clock()
        self.spun_s = 0.0
        self.judge = Judge(cache=cache, fresh=fresh, clock=self.clock, spin=self.spin)

    def spin(self, seconds: float) -> None:
        self.spun_s += seconds
        self.clock.wait(seconds)

    def counter(self, key: str = "rapl:0", *, same: Counter | None = None, scope: Scope = Scope.PACKAGE, **how: object):
        counter = same or Counter(self.clock, **how)  # type: ignore[arg-type]

        def read() -> float:
            self.clock.wait(5e-6)
            return counter()

        return channel(read, key, scope=scope), counter

    def die(
        self,
        number: int,
        *,
        package: int = 0,
        power_w: float = 180.0,
        late_s: float = 0.0,
        offset_j: float = 0.0,
        range_j: float | None = RANGE_J,
    ) -> Channel:
        """Return a die's counter that is renewed every millisecond, ``late_s`` after the others."""
        began_s = self.clock.now_s

        def read() -> float:
            self.clock.wait(5e-6)
            tick = (self.clock.now_s - began_s + 1.0 - late_s) // 1e-3
            return (1000.0 + offset_j + int(power_w * tick * 1e-3 / STEP_J) * STEP_J) % (range_j or 1e9)

        key = f"rapl:{package}:{number}"
        return channel(read, key, twin=f"rapl:package-{package}-die-{number}", range_j=range_j)


def test_a_live_counter_passes_and_a_frozen_one_does_not() -> None:
    machine = Machine()
    live, _ = machine.counter("rapl:0")
    dead, _ = machine.counter("rapl:1", is_frozen=True)
    found = machine.judge([live, dead])
    assert found.keys() == {"rapl:1"}
    assert found["rapl:1"].startswith("frozen")
    assert 0.05 < machine.spun_s < 0.26


@pytest.mark.parametrize(("power_w", "is_refused"), [(0.001, True), (0.2, False), (300.0, False), (1e6, False)])
def test_a_power_that_no_chip_draws_is_refused(power_w: float, is_refused: bool) -> None:
    machine = Machine()
    live, _ = machine.counter(power_w=power_w, step_j=1e-6)
    assert bool(machine.judge([live])) is is_refused


def test_a_counter_that_fails_is_refused() -> None:
    machine = Machine()
    broken, _ = machine.counter(fails=True)
    assert "could not be read" in machine.judge([broken])["rapl:0"]


def test_a_failed_read_is_not_kept_for_the_whole_boot(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "c")
    one, counter = machine.counter(fails=True)
    assert machine.judge([one]).keys() == {"rapl:0"}
    counter.fails = False
    assert machine.judge([one]) == {}


def test_dies_that_mirror_their_socket_are_one() -> None:
    machine = Machine()
    socket, counter = machine.counter("rapl:0")
    others = [machine.counter(f"rapl:{die}", same=counter)[0] for die in (1, 2, 3)]
    second, second_counter = machine.counter("rapl:4", power_w=90.0, start_j=4000.0)
    found = machine.judge([socket, *others, second, machine.counter("rapl:5", same=second_counter)[0]])
    assert found.keys() == {"rapl:1", "rapl:2", "rapl:3", "rapl:5"}
    assert "mirror of rapl:0" in found["rapl:1"]
    assert "mirror of rapl:4" in found["rapl:5"]


@pytest.mark.parametrize("late_s", [-0.0009, 0.0, 0.0009])
def test_dies_that_mirror_their_socket_an_update_apart_are_one(late_s: float) -> None:
    machine = Machine()
    dies = [machine.die(number, late_s=late_s * number, power_w=280.0) for number in (0, 1)]
    other_socket = machine.die(0, package=1, power_w=280.0, late_s=0.0005)
    assert machine.judge([*dies, other_socket]).keys() == {"rapl:0:1"}


def test_dies_that_count_from_when_they_were_opened_are_one() -> None:
    machine = Machine()
    dies = [machine.die(number, offset_j=0.3 * number, range_j=None, late_s=0.0001) for number in (0, 1, 2)]
    assert machine.judge(dies).keys() == {"rapl:0:1", "rapl:0:2"}


@pytest.mark.parametrize("range_j", [RANGE_J, None])
def test_dies_with_joules_of_their_own_are_two_however_much_alike(range_j: float | None) -> None:
    machine = Machine()
    dies = [machine.die(number, power_w=40.0 + 0.2 * number, range_j=range_j) for number in (0, 1)]
    machine.clock.wait(1.0)
    assert machine.judge(dies) == {}


def test_a_mirror_is_seen_across_a_wrap() -> None:
    machine = Machine()
    socket, counter = machine.counter("rapl:0", start_j=RANGE_J - 1.0, power_w=100.0)
    assert machine.judge([socket, machine.counter("rapl:1", same=counter)[0]]).keys() == {"rapl:1"}


def test_two_sockets_that_started_together_are_two() -> None:
    machine = Machine()
    one, _ = machine.counter("rapl:0", power_w=50.0, start_j=0.0)
    other, _ = machine.counter("rapl:1", power_w=51.0, start_j=0.0)
    machine.clock.wait(10.0)
    assert machine.judge([one, other]) == {}


def test_a_package_and_its_memory_are_never_mirrors() -> None:
    machine = Machine()
    package, counter = machine.counter("rapl:0")
    assert machine.judge([package, machine.counter("rapl:0:2", same=counter, scope=Scope.DRAM)[0]]) == {}


def test_slow_counters_and_power_sensors_are_left_to_their_windows() -> None:
    machine = Machine()
    wall: Channel = channel(lambda: 5.0, "wall:a", scope=Scope.WALL, step_j=360.0, range_j=None)
    assert machine.judge([wall, power(lambda: 5.0)]) == {}
    assert machine.spun_s == 0.0


def test_the_verdicts_of_a_boot_are_kept(tmp_path: Path) -> None:
    cache = tmp_path / "twentywatts" / "counters-x"
    machine = Machine(cache)
    live, _ = machine.counter("rapl:0")
    dead, _ = machine.counter("rapl:1", is_frozen=True)
    first = machine.judge([live, dead])
    spun_s = machine.spun_s
    assert machine.judge([live, dead]) == first
    assert machine.spun_s == spun_s > 0
    assert [path.name for path in cache.parent.iterdir()] == ["counters-x"]
    again = Machine(cache, fresh=True)
    again.judge([again.counter("rapl:1")[0]])
    assert again.spun_s > 0
    assert machine.judge([live, dead]) == {}


def test_a_new_counter_is_probed_beside_the_known_ones(tmp_path: Path) -> None:
    machine = Machine(tmp_path / "c")
    socket, counter = machine.counter("rapl:0")
    assert machine.judge([socket]) == {}
    assert machine.judge([socket, machine.counter("rapl:1", same=counter)[0]]).keys() == {"rapl:1"}


@pytest.mark.parametrize("text", ["", "\x00\xff", "rapl:0\n", "rapl:0\t\n", "a\tb\tc\n"])
def test_a_damaged_cache_is_probed_again(tmp_path: Path, text: str) -> None:
    cache = tmp_path / "c"
    cache.write_bytes(text.encode("latin-1"))
    machine = Machine(cache)
    assert machine.judge([machine.counter("rapl:0")[0]]) == {}
    assert machine.spun_s > 0


def test_a_home_that_cannot_be_written_is_no_reason_to_fail(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    machine = Machine(tmp_path / "file" / "c")
    assert machine.judge([machine.counter("rapl:0")[0]]) == {}


def test_the_cache_is_named_after_the_boot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = cache_file()
    if os.path.exists("/proc/sys/kernel/random/boot_id"):
        assert found is not None
        assert Path(found) == tmp_path / "twentywatts" / f"counters-{boot_id()}"
    assert boot_id(tmp_path) == ""
