"""The doctor: what it says of machines that live, are dead, closed or bare, and what it writes when told to."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests.support.fake_amdsmi import FakeAmdSmi, FakeCard
from tests.support.fake_nvml import Clock, FakeBoard, FakeNvml
from tests.support.machines import MACHINES
from tests.support.repository import PACKAGE

from twentywatts.errors import InputError
from twentywatts.meter.assemble import open_channels
from twentywatts.meter.checks import PATIENT_S, Judge
from twentywatts.meter.contract import Finding, Source
from twentywatts.meter.doctor import Examination, apply, examine, rule_files
from twentywatts.meter.here import Here
from twentywatts.meter.sources import amdsmi, apple, nvml
from twentywatts.reports.doctor import doctor_document, doctor_lines

SCHEMA = json.loads((PACKAGE / "data/schemas/doctor-1.schema.json").read_text(encoding="utf-8"))


def examined(name: str, folder: Path) -> Examination:
    installed = MACHINES[name].at(folder)
    sources = tuple(installed.sources())
    judge = Judge(clock=installed.simulation.clock, spin=installed.simulation.advance)
    return examine(Here(root=folder, sources=sources, assembly=open_channels(sources, judge=judge)))


def document_of(seen: Examination) -> dict[str, Any]:
    found = doctor_document(seen, rule_files(seen.findings), {})
    pytest.importorskip("jsonschema").validate(found, SCHEMA)
    return found


@pytest.mark.parametrize("name", sorted(MACHINES))
def test_every_machine_gets_a_document_and_a_text(name: str, tmp_path: Path) -> None:
    found = document_of(examined(name, tmp_path))
    assert found["can_measure"] is bool(MACHINES[name].summed)
    counted = {row["what"] for row in found["findings"] if row["in_total"]}
    assert counted == MACHINES[name].summed
    lines = doctor_lines(found)
    assert ("NOTHING can be measured" in lines[0]) is not found["can_measure"]


def named(kind: str, clock: Clock) -> Source:
    """Return a source whose findings bear names for people."""
    if kind == "apple":

        def energies() -> SimpleNamespace:
            clock.sleep(1e-4)
            parts = dict.fromkeys(("gpu_mj", "gpu_sram_mj", "ane_mj", "dram_mj"))
            return SimpleNamespace(cpu_total_mj=round(1e4 * clock()), **parts)

        return apple.find(monitor=SimpleNamespace(get_cumulative_energy=energies))
    if kind == "amdsmi":
        return amdsmi.find(amdsmi=FakeAmdSmi([FakeCard(power_w=300)], clock), environ={})
    grace = {"name": "NVIDIA GH200 480GB", "module_w": 700.0} if kind == "grace" else {}
    return nvml.find(nvml=FakeNvml([FakeBoard(power_w=300.0, **grace)], clock), environ={})


@pytest.mark.parametrize("kind", ["nvml", "grace", "apple", "amdsmi"])
def test_counters_with_names_for_people_are_told_alive_and_counted(kind: str) -> None:
    clock = Clock(100.0)
    source = named(kind, clock)
    assembly = open_channels([source], judge=Judge(clock=clock, spin=clock.sleep, longest_s=PATIENT_S))
    seen = examine(Here(root=Path("/"), sources=(source,), assembly=assembly))
    found = document_of(seen)
    counted = [row for row in found["findings"] if row["in_total"]]
    assert len(counted) == len(seen.summed) > 0
    assert all(row["alive"] for row in counted)
    lines = [line for line in doctor_lines(found) if line.startswith("  ")]
    assert sum(" alive " in line and " counted " in line for line in lines) == len(counted)


def test_a_board_whose_counter_stands_still_is_called_dead() -> None:
    clock = Clock(100.0)
    source = nvml.find(nvml=FakeNvml([FakeBoard(power_w=0.0)], clock), environ={})
    assembly = open_channels([source], judge=Judge(clock=clock, spin=clock.sleep, longest_s=PATIENT_S))
    seen = examine(Here(root=Path("/"), sources=(source,), assembly=assembly))
    assert (seen.can_measure, [finding.alive for finding in seen.findings]) == (False, [False])
    assert "what is advertised is dead" in "\n".join(doctor_lines(document_of(seen)))


def test_a_dead_perf_event_is_called_dead(tmp_path: Path) -> None:
    seen = examined("cloud-dead-perf-event", tmp_path)
    text = "\n".join(doctor_lines(document_of(seen)))
    assert "what is advertised is dead" in text
    assert "DEAD" in text
    assert "ESTIMATE" in text
    (dead,) = [finding for finding in seen.findings if finding.alive is False]
    assert dead.readable
    assert "frozen" in dead.reason


def test_a_mirror_is_neither_alive_nor_dead(tmp_path: Path) -> None:
    seen = examined("amd-4-mirrored-dies", tmp_path)
    mirrors = [finding for finding in seen.findings if "mirror of" in finding.reason]
    assert mirrors
    assert all(finding.alive is None for finding in mirrors)
    lines = doctor_lines(document_of(seen))
    assert sum("seen twice" in line for line in lines) == len(mirrors)


def test_a_closed_counter_brings_its_rule(tmp_path: Path) -> None:
    seen = examined("permission-denied", tmp_path / "machine")
    files = rule_files(seen.findings)
    assert [file.path for file in files] == ["/etc/udev/rules.d/70-twentywatts.rules"]
    assert "energy_uj" in files[0].text
    assert "0440" in files[0].text, "one group, never everybody"
    (path,) = apply(files, root=tmp_path)
    assert path.read_text() == files[0].text
    assert apply(files, root=tmp_path) == [path], "a second time changes nothing"


def test_nothing_but_rules_is_ever_written() -> None:
    lines = (
        "sudo sysctl kernel.perf_event_paranoid=0",
        "echo 'kernel.perf_event_paranoid=0' | sudo tee /etc/sysctl.d/70-twentywatts.conf",
        "echo 'x' | sudo tee /etc/udev/rules.d/../../passwd",
        "echo 'x' | sudo tee /etc/udev/rules.d/a.rules; reboot",
        "echo 'x' | sudo tee /etc/cron.d/a.conf",
        "sudo modprobe intel_rapl_msr",
    )
    finding = Finding(source="s", what="w", found=True, readable=False, fix=lines)
    assert rule_files([finding]) == ()


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    files = rule_files(examined("permission-denied", tmp_path / "machine").findings)
    path = tmp_path / files[0].path.lstrip("/")
    path.parent.mkdir(parents=True)
    path.write_text("precious\n")
    with pytest.raises(InputError, match="left alone"):
        apply(files, root=tmp_path)
    assert path.read_text() == "precious\n"
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="is a link"):
        apply(files, root=tmp_path)
    assert not (tmp_path / "elsewhere").exists()
