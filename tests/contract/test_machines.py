"""Every bundled machine keeps the contract; the contract finds what is wrong."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from tests.support.repository import PACKAGE, ROOT

from twentywatts.machines import FAMILIES
from twentywatts.testing import check_machine, fake_machine
from twentywatts.testing.fakes import fake_figure, fake_tables

FILES = [path for path in sorted((PACKAGE / "machines" / "data").rglob("*.toml")) if path.parent.name != "host"]


@pytest.mark.parametrize("path", [*FILES, ROOT / "examples" / "mychip.toml"], ids=lambda path: path.stem)
def test_every_machine_keeps_the_contract(path: Any) -> None:
    check_machine(tomllib.loads(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_fakes_keep_the_contract(family: str) -> None:
    assert check_machine(fake_tables(family)).name == fake_machine(family).name == f"fake-{family}"


def test_values_of_a_fake_can_be_set() -> None:
    machine = fake_machine("processor", values={"idle_power_w": 3.0, "process_nm": 7.0})
    assert (machine.value("idle_power_w"), machine.value("process_nm")) == (3.0, 7.0)


NARROW = {**fake_figure("power_w", grade="guess"), "low": 15.0, "high": 25.0}
SPOILED: dict[str, tuple[dict[str, Any], str]] = {
    "no schema": ({"schema": ""}, "schema must be"),
    "a source nobody knows": ({"sources": {}}, "add .sources.fake. to the file"),
    "a narrow guess": ({"figures": {"power_w": NARROW}}, "must span a factor 2"),
    "traits that are no JSON": ({"traits": {"cores": (1, 2)}}, "plain values"),
}


@pytest.mark.parametrize("case", SPOILED)
def test_the_contract_finds_what_is_wrong(case: str) -> None:
    changes, words = SPOILED[case]
    with pytest.raises(AssertionError, match=words):
        check_machine({**fake_tables("brain"), **changes})


def test_a_refused_machine_needs_a_reason_and_no_price() -> None:
    tables = {**fake_tables("neuromorphic"), "figures": {}, "refused": "nothing is published"}
    assert check_machine(tables).refused
