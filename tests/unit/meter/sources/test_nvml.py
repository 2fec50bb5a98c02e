"""NVIDIA boards by a fake NVML: counters, power, partitions, lost boards, and what CUDA may see."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.fake_nvml import (
    DRIVER_NOT_LOADED,
    LIBRARY_NOT_FOUND,
    UNINITIALIZED,
    Clock,
    FakeBoard,
    FakeNvml,
    NVMLError,
    fuzzed,
)

from twentywatts.figures import load_figures, load_sources
from twentywatts.meter.contract import Channel, Finding, Quantity, ReadError, Scope
from twentywatts.meter.sources.cuda import choose
from twentywatts.meter.sources.nvml import find, processes
from twentywatts.meter.sources.sensors import board_sensor, usage_average_s

UUIDS = ["GPU-aaaa-0", "GPU-aabb-1", "GPU-cccc-2"]


def _find(boards: list[FakeBoard], clock: Clock | None = None, **environ: str) -> tuple[list[Channel], list[Finding]]:
    source = find(nvml=FakeNvml(boards, clock or Clock()), environ=environ)
    return source.channels(), source.findings()


def _one(board: FakeBoard, clock: Clock | None = None) -> Channel:
    (channel,) = _find([board], clock)[0]
    return channel


def test_a_board_with_a_counter_is_an_energy_channel() -> None:
    clock = Clock(10.0)
    board = FakeBoard(power_w=350.0)
    channel = _one(board, clock)
    assert (channel.key, channel.quantity, channel.scope) == (f"nvml:{board.uuid}", Quantity.ENERGY, Scope.GPU)
    assert channel.component == "gpu 0 H100 80GB HBM3"
    assert channel.range_j is None
    assert (channel.step_j, channel.period_s) == (0.001, 0.1)
    first_j = channel.read()
    clock.sleep(5.0)
    assert channel.read() - first_j == pytest.approx(350.0 * 5.0)


def test_the_counter_is_a_staircase_of_its_period() -> None:
    clock = Clock(0.0)
    channel = _one(FakeBoard(power_w=100.0), clock)
    seen = []
    for _ in range(100):
        seen.append(channel.read())
        clock.sleep(0.01)
    assert len(set(seen)) in (10, 11)


def test_a_board_without_a_counter_is_sampled_and_never_zero() -> None:
    channel = _one(FakeBoard(has=frozenset({"instant", "usage"}), architecture="pascal", power_w=80.0))
    assert channel.quantity is Quantity.POWER
    assert channel.read() == pytest.approx(80.0)
    assert channel.period_s == pytest.approx(0.021)
    assert not any("averages this power over 1 s" in note for note in channel.notes)


@pytest.mark.parametrize(
    ("architecture", "capability", "is_averaged"),
    [("hopper", (9, 0), True), ("ampere", (8, 6), True), ("ampere", (8, 0), False), ("pascal", (6, 1), False)],
)
def test_power_usage_is_flagged_where_it_is_an_average(
    architecture: str, capability: tuple[int, int], is_averaged: bool
) -> None:
    board = FakeBoard(has=frozenset({"usage"}), architecture=architecture, capability=capability)
    channel = _one(board)
    assert any("over 1 s" in note for note in channel.notes) is is_averaged
    assert (channel.period_s >= 1.0) is is_averaged


def test_nothing_supported_is_unavailable_with_the_reason() -> None:
    channels, (finding,) = _find([FakeBoard(has=frozenset(), virtual=True)])
    assert channels == []
    assert (finding.found, finding.readable) == (True, False)
    assert "virtual" in finding.reason
    _, (finding,) = _find([FakeBoard(has=frozenset())])
    assert "not supported" in finding.reason


def test_boards_that_see_a_quarter_of_the_time_say_so() -> None:
    for architecture, capability in (("hopper", (9, 0)), ("ampere", (8, 0))):
        channel = _one(FakeBoard(architecture=architecture, capability=capability))
        assert any("of every 10" in note for note in channel.notes)
    assert _one(FakeBoard(architecture="ada", capability=(8, 9))).notes == ()


def test_a_lost_board_is_a_read_error_and_may_come_back() -> None:
    board = FakeBoard()
    channel = _one(board)
    board.lost = True
    with pytest.raises(ReadError, match="GPU is lost"):
        channel.read()
    with pytest.raises(ReadError, match="GPU is lost"):
        channel.read()
    board.lost = False
    assert channel.read() >= 0


def test_a_board_that_is_lost_at_the_start_takes_no_other_with_it() -> None:
    channels, findings = _find([FakeBoard(lost=True), FakeBoard()])
    assert [channel.component for channel in channels] == ["gpu 1 H100 80GB HBM3"]
    assert [finding.readable for finding in findings] == [False, True]


def test_after_a_reload_of_the_driver_the_counter_starts_anew() -> None:
    clock = Clock(0.0)
    nvml = FakeNvml([FakeBoard(started_j=5000.0)], clock)
    (channel,) = find(nvml=nvml, environ={}).channels()
    before_j = channel.read()
    nvml.reload()
    clock.sleep(1.0)
    assert 0 <= channel.read() < before_j


def test_a_counter_at_zero_has_power_standing_by() -> None:
    energy, power = _find([FakeBoard(started_j=0.0)])[0]
    assert (energy.quantity, power.quantity) == (Quantity.ENERGY, Quantity.POWER)
    assert energy.twin == power.twin != ""
    assert energy.key != power.key


def test_nvml_is_closed_with_the_last_channel_and_once() -> None:
    nvml = FakeNvml([FakeBoard(), FakeBoard()])
    one, other = find(nvml=nvml, environ={}).channels()
    assert nvml.open == 1
    one.close()
    one.close()
    assert nvml.open == 1
    other.close()
    assert nvml.open == 0


def test_nvml_is_closed_where_nothing_can_be_read() -> None:
    nvml = FakeNvml([FakeBoard(has=frozenset())])
    assert find(nvml=nvml, environ={}).channels() == []
    assert nvml.open == 0


def test_nvml_that_somebody_else_has_shut_down_is_opened_again() -> None:
    nvml = FakeNvml([FakeBoard()])
    (channel,) = find(nvml=nvml, environ={}).channels()
    nvml.open = 0
    assert channel.read() >= 0


def test_eight_boards_have_eight_keys() -> None:
    channels, _ = _find([FakeBoard() for _ in range(8)])
    assert len({channel.key for channel in channels}) == 8


@pytest.mark.parametrize(
    ("visible", "positions"),
    [
        ("", ()),
        ("0", (0,)),
        ("2,0", (2, 0)),
        ("0,-1,1", (0,)),
        ("0,9,1", (0,)),
        ("NoDevFiles", ()),
        ("GPU-aabb", (1,)),
        ("GPU-aa", ()),  # two boards begin so
        ("GPU-cccc-2,0", (2, 0)),
        ("GPU-", ()),
        ("MIG-x1", (2,)),
        ("MIG-GPU-aabb-1/1/0", (1,)),
        ("1,1", (1,)),
        ("²", ()),
        ("9" * 5000, ()),
    ],
)
def test_cuda_visible_devices(visible: str, positions: tuple[int, ...]) -> None:
    found = choose({"CUDA_VISIBLE_DEVICES": visible}, UUIDS, partitions={"MIG-x1": 2, "MIG-x2": 2, "MIG-y": 1})
    assert found.positions == positions


def test_without_the_variable_all_boards_are_seen() -> None:
    assert choose({}, UUIDS, partitions={}).positions == (0, 1, 2)


def test_indices_on_a_mixed_machine_are_in_doubt() -> None:
    boards = [FakeBoard(name="A"), FakeBoard(name="B")]
    assert any("CUDA's order" in note for note in _find(boards, CUDA_VISIBLE_DEVICES="0")[0][0].notes)
    ordered = _find(boards, CUDA_VISIBLE_DEVICES="0", CUDA_DEVICE_ORDER="PCI_BUS_ID")[0][0]
    assert not any("CUDA's order" in note for note in ordered.notes)


def test_hidden_boards_are_told_but_not_read() -> None:
    channels, findings = _find([FakeBoard(), FakeBoard()], CUDA_VISIBLE_DEVICES="1")
    assert [channel.component[:5] for channel in channels] == ["gpu 1"]
    assert "hidden" in findings[0].reason


def test_a_partition_is_its_board_with_a_note() -> None:
    board = FakeBoard(partitions=("MIG-one", "MIG-two"))
    (channel,) = _find([FakeBoard(), board], CUDA_VISIBLE_DEVICES="MIG-two")[0]
    assert channel.key == f"nvml:{board.uuid}"
    assert any("whole board" in note for note in channel.notes)


def test_a_grace_module_holds_its_board() -> None:
    gpu, module = _find([FakeBoard(name="NVIDIA GH200 480GB", module_w=900.0)])[0]
    assert (module.scope, module.read()) == (Scope.MODULE, 900.0)
    assert gpu.inside == (module.key,)


def test_other_boards_have_no_module() -> None:
    assert len(_find([FakeBoard(module_w=300.0)])[0]) == 1  # a driver that ignores the scope gives the board again


@pytest.mark.parametrize("error", [DRIVER_NOT_LOADED, LIBRARY_NOT_FOUND])
def test_without_a_driver_there_is_a_finding(error: int) -> None:
    source = find(nvml=FakeNvml(init_error=error), environ={})
    assert source.channels() == []
    assert not source.findings()[0].found


def test_a_folder_is_not_asked_for_its_boards(tmp_path: Path) -> None:
    source = find(root=tmp_path)
    assert source.channels() == []
    assert "not a folder" in source.findings()[0].reason


def test_this_machine_gives_a_finding_or_channels() -> None:
    source = find(environ={})
    assert source.findings()
    for channel in source.channels():
        channel.close()


def test_shares_of_processes() -> None:
    nvml = FakeNvml([FakeBoard(busy={7: [100, 50], 8: [25, 25]})])
    (channel,) = find(nvml=nvml, environ={}).channels()
    assert processes(channel.key, nvml=nvml) == {7: 0.75, 8: 0.25}
    nvml.boards[0].busy = {}
    assert processes(channel.key, nvml=nvml) == {}
    nvml.boards[0].busy = None
    with pytest.raises(ReadError):
        processes(channel.key, nvml=nvml)
    assert nvml.open == 1


def test_errors_without_a_text_are_still_read_errors() -> None:
    nvml = FakeNvml([FakeBoard()])
    (channel,) = find(nvml=nvml, environ={}).channels()

    class SilentError(NVMLError):
        def __str__(self) -> str:
            raise NVMLError(UNINITIALIZED)

    nvml.script = lambda name, call: SilentError(999)
    with pytest.raises(ReadError, match="SilentError"):
        channel.read()


@pytest.mark.parametrize("value", [-1, float("nan"), "12", None, 2**65, True])
def test_values_that_are_no_counts_are_read_errors(value: object) -> None:
    nvml = FakeNvml([FakeBoard()])
    (channel,) = find(nvml=nvml, environ={}).channels()
    nvml.nvmlDeviceGetTotalEnergyConsumption = lambda handle: value  # type: ignore[attr-defined]
    with pytest.raises(ReadError):
        channel.read()


def test_no_script_of_failures_lets_an_exception_out() -> None:
    for seed in range(200):
        clock = Clock(0.0)
        nvml = fuzzed(seed, clock)
        source = find(nvml=nvml, environ={"CUDA_VISIBLE_DEVICES": "0,1,MIG-a"} if seed % 3 == 0 else {})
        assert source.findings(), seed
        for channel in source.channels():
            for _ in range(5):
                clock.sleep(0.2)
                try:
                    value = channel.read()
                except ReadError:
                    continue
                assert 0 <= value < 2**64, (seed, value)
            channel.close()


def test_published_figures_of_sensors() -> None:
    figures = load_figures("meter_errors")
    assert {figure.source for figure in figures.values()} <= load_sources().keys()
    sampled = figures["nvml_sampled_frac"]
    for architecture in ("hopper", "ga100"):
        assert sampled.low <= board_sensor(architecture).seen_frac <= sampled.high
    assert board_sensor("hopper").error_frac == board_sensor("").error_frac
    assert not board_sensor("blackwell").is_published
    assert usage_average_s("hopper") == 1.0
    assert usage_average_s("ga100") == 0.0


def test_the_real_library_has_what_is_called() -> None:
    pynvml = pytest.importorskip("pynvml")
    from tests.support.fake_nvml import _FUNCTIONS, ARCHITECTURES

    assert not [name for name in (*_FUNCTIONS, "nvmlInit", "nvmlShutdown") if not hasattr(pynvml, name)]
    assert pynvml.NVML_FI_DEV_POWER_INSTANT == FakeNvml.NVML_FI_DEV_POWER_INSTANT
    assert pynvml.NVML_POWER_SCOPE_MODULE == FakeNvml.NVML_POWER_SCOPE_MODULE
    assert {name: getattr(pynvml, f"NVML_DEVICE_ARCH_{name.upper()}") for name in ARCHITECTURES} == ARCHITECTURES


def test_the_real_structures_are_read() -> None:
    pynvml = pytest.importorskip("pynvml")
    nvml = FakeNvml([FakeBoard(has=frozenset({"instant"}))])
    (channel,) = find(nvml=nvml, environ={}).channels()
    values = (pynvml.c_nvmlFieldValue_t * 1)()
    nvml.nvmlDeviceGetFieldValues = lambda handle, wanted: values  # type: ignore[attr-defined]
    for number, member in ((1, "uiVal"), (3, "ullVal"), (0, "dVal")):
        values[0].valueType = number
        setattr(values[0].value, member, 123456)
        assert channel.read() == pytest.approx(123.456)
    values[0].nvmlReturn = pynvml.NVML_ERROR_NOT_SUPPORTED
    with pytest.raises(ReadError):
        channel.read()
    del nvml.nvmlDeviceGetFieldValues
    lost = pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
    nvml.script = lambda name, call: lost
    with pytest.raises(ReadError, match="GPU is lost"):
        channel.read()
