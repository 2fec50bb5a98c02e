"""The meter's two numbers of this computer are those of the whole machine, on every kind of computer."""

from pathlib import Path

import pytest

from twentywatts.machines.host import this_cpu
from twentywatts.machines.powers import OVERRIDE, this_power

COMPUTERS = {
    "a server": "processor : 0\nmodel name : AMD EPYC 7763\nphysical id : 0\ncore id : 0\nflags : fma avx2\n",
    "a virtual one": "processor : 0\nmodel name : Xeon(R) Platinum 8380\ncore id : 0\nflags : fma hypervisor\n",
    "a laptop": "processor : 0\nmodel name : 12th Gen Core(TM) i7-1260P\nflags : fma\n\nprocessor : 1\nflags : fma\n",
    "an unknown one": "processor : 0\nmodel name : Abacus 9000\n",
    "nothing": "",
}


@pytest.mark.parametrize("text", COMPUTERS.values(), ids=list(COMPUTERS))
def test_it_is_the_power_of_the_whole_machine(text: str, tmp_path: Path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc/cpuinfo").write_text(text)
    whole, found = this_cpu(root=tmp_path).figures, this_power(tmp_path)
    if "Abacus" in text or not text:
        assert found is None  # the whole machine must be asked
        return
    assert found is not None
    for key, power in found.items():
        figure = whole[key]
        assert (power.low, power.value, power.high) == (figure.low, figure.value, figure.high)
        assert (power.evidence, power.condition) == (int(figure.evidence), figure.condition)


def test_a_machine_named_in_its_place_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OVERRIDE, "server-cpu")
    assert this_power() is None
    monkeypatch.setenv(OVERRIDE, " this-cpu ")
    this_power()  # detection, whatever this computer is
