"""The doctor: what it says of machines that live, are dead, closed or bare, and what it writes when told to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.machines import MACHINES
from tests.support.repository import PACKAGE

from twentywatts.errors import InputError
from twentywatts.meter.assemble import open_channels
from twentywatts.meter.checks import Judge
from twentywatts.meter.contract import Finding
from twentywatts.meter.doctor import Examination, apply, examine, rule_files
from twentywatts.meter.here import Here
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
