"""docs/how/add-a-machine.md: its example is a machine, and its list of keys is the one that the loader knows."""

from __future__ import annotations

import re
import tomllib

import pytest
from tests.support.repository import ROOT

from twentywatts.machines.machine import KEYS, ONE_OF, REQUIRED, TRAITS
from twentywatts.testing import check_machine
from twentywatts.units import unit_of_key

PAGE = (ROOT / "docs" / "how" / "add-a-machine.md").read_text(encoding="utf-8")
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
EXAMPLES = [text for text in re.findall(r"^```toml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL) if "schema" in text]
ROWS = dict(re.findall(r"^\| (\w+) \| (.*) \|$", PAGE, re.MULTILINE))


def test_the_example_keeps_the_contract() -> None:
    (example,) = EXAMPLES
    machine = check_machine(tomllib.loads(example))
    assert machine.sources.keys() == {"mydatasheet"}
    assert machine.figures.keys() == set(REQUIRED["processor"])


@pytest.mark.parametrize("family", KEYS)
def test_the_keys_are_those_of_the_loader(family: str) -> None:
    bold = set(re.findall(r"\*\*(\w+)\*\*", ROWS[family]))
    assert bold == set(REQUIRED[family])
    named = {word for word in re.findall(r"\w+", ROWS[family]) if "_" in word or word in KEYS[family]}
    assert named == KEYS[family]
    for group in ONE_OF.get(family, ()):
        assert f"at least one of {', '.join(group)}" in ROWS[family]


def test_every_trait_that_is_read_is_named() -> None:
    assert not [key for key in TRAITS if f"`{key}`" not in PAGE]


def test_every_suffix_of_a_key_is_in_the_glossary() -> None:
    for key in set().union(*KEYS.values()):
        if unit_of_key(key) != "1":
            suffixes = re.findall(r"`(_\w+)`", GLOSSARY)
            assert any(key.endswith(suffix) for suffix in suffixes), key
