"""AMD boards by a fake AMD SMI."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.fake_amdsmi import FakeAmdSmi, FakeCard
from tests.support.fake_nvml import Clock

from twentywatts.meter.contract import Channel, Quantity, ReadError
from twentywatts.meter.sources.amdsmi import find


def _channels(*cards: FakeCard, clock: Clock | None = None) -> list[Channel]:
    return find(amdsmi=FakeAmdSmi(cards, clock or Clock()), environ={}).channels()


def test_energy_is_counts_times_their_resolution() -> None:
    clock = Clock()
    (channel,) = _channels(FakeCard(power_w=300), clock=clock)
    assert channel.quantity is Quantity.ENERGY
    assert channel.step_j == pytest.approx(15.259e-6)
    first_j = channel.read()
    clock.sleep(10.0)
    assert channel.read() - first_j == pytest.approx(3000.0, abs=2 * channel.step_j)


@pytest.mark.parametrize("field", ["current_socket_power", "average_socket_power"])
def test_a_guest_without_an_accumulator_is_sampled(field: str) -> None:
    (channel,) = _channels(FakeCard(has_energy=False, field=field, power_w=250))
    assert (channel.quantity, channel.read()) == (Quantity.POWER, 250.0)


def test_the_same_board_in_hwmon_is_a_twin() -> None:
    (channel,) = _channels(FakeCard(bdf="0000:c1:00.0"))
    assert channel.twin == "gpu:0000:c1:00.0"


def test_the_second_die_of_an_mi250_is_not_read() -> None:
    cards = FakeCard(name="AMD Instinct MI250X", uuid="a"), FakeCard(name="AMD Instinct MI250X", uuid="b", power_w=0)
    source = find(amdsmi=FakeAmdSmi(cards, Clock()), environ={})
    assert [channel.key for channel in source.channels()] == ["amdsmi:a"]
    assert [finding.readable for finding in source.findings()] == [True, False]
    assert "second die" in source.findings()[1].reason


def test_neither_energy_nor_power_is_a_reason_and_not_zero() -> None:
    source = find(amdsmi=FakeAmdSmi([FakeCard(has_energy=False, power_w="N/A")], Clock()), environ={})
    assert source.channels() == []
    assert "no power" in source.findings()[0].reason


def test_a_card_that_goes_away_is_a_read_error() -> None:
    card = FakeCard()
    (channel,) = _channels(card)
    card.lost = True
    with pytest.raises(ReadError, match="NO_DATA"):
        channel.read()


def test_it_is_shut_down_with_the_last_channel() -> None:
    library = FakeAmdSmi([FakeCard(uuid="a"), FakeCard(uuid="b")], Clock())
    one, other = find(amdsmi=library, environ={}).channels()
    one.close()
    one.close()
    assert library.open == 1
    other.close()
    assert library.open == 0


def test_hidden_boards_are_said_to_be_counted() -> None:
    source = find(amdsmi=FakeAmdSmi([FakeCard()], Clock()), environ={"HIP_VISIBLE_DEVICES": "0"})
    assert "HIP_VISIBLE_DEVICES" in source.channels()[0].notes[0]


def test_without_a_driver_there_is_a_finding(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = find(amdsmi=FakeAmdSmi([], Clock(), init_error=True), environ={})
    assert "DRIVER_NOT_LOADED" in source.findings()[0].reason
    for source in (find(), find(root=tmp_path)):
        assert source.findings()
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize("answer", [None, {}, {"energy_accumulator": -1, "counter_resolution": 1}, [1], "x"])
def test_answers_that_are_no_energies_are_read_errors(answer: object) -> None:
    library = FakeAmdSmi([FakeCard()], Clock())
    (channel,) = find(amdsmi=library, environ={}).channels()
    library.amdsmi_get_energy_count = lambda card: answer  # type: ignore[assignment,method-assign,return-value]
    with pytest.raises(ReadError):
        channel.read()
