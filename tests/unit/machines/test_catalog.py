"""The catalogue: every bundled machine loads; every bad file is refused in one message that names all problems."""

from __future__ import annotations

import contextlib
import os
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from twentywatts.errors import MachineError, RefusedError, TwentyWattsError
from twentywatts.figures import load_sources
from twentywatts.machines import FAMILIES, bundled_names, load, traits_of
from twentywatts.machines.catalog import parse
from twentywatts.machines.machine import KEYS, REQUIRED
from twentywatts.price import price
from twentywatts.scenario import Scenario
from twentywatts.units import unit_of_key
from twentywatts.workload import BrainWorkload

HEADER = """schema = "twentywatts.machine/1"
name = "mychip"
title = "My chip"
family = "brain"
year = 2026
summary = "A chip of mine."
"""
POWER = """[figures.power_w]
value = 2.0
low = 1.0
high = 4.0
unit = "W"
grade = "measured"
source = "mine"
where = "bench"
condition = "running"
"""

Write = Callable[[str], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def _write(text: str) -> str:
        path = tmp_path / "mychip.toml"
        path.write_text(text, encoding="utf-8")
        return str(path)

    return _write


@pytest.mark.parametrize("name", bundled_names())
def test_a_bundled_machine_loads_or_is_refused_with_a_reason(name: str) -> None:
    machine = load(name)
    assert machine.name == name
    assert machine.family in FAMILIES
    assert machine.figures.keys() <= KEYS[machine.family]
    if machine.refused:
        assert len(machine.refused) > 40
        with pytest.raises(RefusedError, match=re.escape(machine.refused)):
            price(BrainWorkload(time_s=1.0), machine, Scenario(draws=0))
    else:
        assert machine.figures.keys() >= set(REQUIRED[machine.family])
        assert (traits_of(machine) is None) == (machine.family == "brain")


@pytest.mark.parametrize("name", bundled_names())
def test_every_figure_has_the_unit_of_its_key_and_a_known_source(name: str) -> None:
    for key, figure in load(name).figures.items():
        assert figure.key == key
        assert figure.unit == unit_of_key(key)
        assert figure.source in load_sources(), key
        assert figure.low <= figure.value <= figure.high


def test_names_and_short_names_are_told_apart() -> None:
    names = bundled_names()
    assert len(names) == len(set(names))
    assert load("h100") is load("h100-sxm")
    assert load("orin").name == "jetson-orin"


def test_the_issue_of_a_dozen_chips_is_met() -> None:
    wanted = "xeon-8480 epyc-7763 raspberry-pi-4 jetson-orin t4 a100-sxm-80 h100-sxm b200 tpu-v4 truenorth loihi "
    wanted += "spinnaker2 odin loihi2 akida neurram hermes dimc-22nm isaac human-brain"
    assert set(wanted.split()) <= set(bundled_names())
    assert load("loihi2").refused
    assert load("akida").refused


@pytest.mark.parametrize(("name", "meant"), [("loihy", "loihi"), ("H100-SXM", "h100-sxm"), ("neuram", "neurram")])
def test_an_unknown_name_suggests_the_nearest(name: str, meant: str) -> None:
    with pytest.raises(MachineError, match=f"unknown machine '{name}' .did you mean '{meant}'"):
        load(name)


@pytest.mark.parametrize("name", ["", " ", "../../etc/passwd", "zzzzzzzzzz", "a\0b", "loihi\n"])
def test_what_is_no_name_at_all_is_refused(name: str) -> None:
    with pytest.raises(MachineError, match="unknown machine"):
        load(name)


def test_a_good_file_of_ones_own_loads(write: Write) -> None:
    path = write(HEADER + POWER)
    machine = load(path)
    assert machine.figures["power_w"].value == 2.0
    assert machine.origin == path
    assert not machine.refused
    assert not machine.sources


HEAD_CASES = {
    "schema": ('schema = "twentywatts.machine/9"', "schema must be 'twentywatts.machine/1'"),
    "family": ('family = "quantum"', "family must be one of processor, neuromorphic, crossbar, brain"),
    "name": ("name = 7", "'name' must be a text"),
    "title": ('title = "  "', "'title' must be a text"),
    "summary": ("summary = []", "'summary' must be a text"),
    "year": ("year = true", "'year' must be a whole number"),
}


@pytest.mark.parametrize("key", HEAD_CASES)
def test_a_bad_head_is_refused(write: Write, key: str) -> None:
    line, words = HEAD_CASES[key]
    with pytest.raises(MachineError) as caught:
        load(write(re.sub(rf"^{key} = .*$", line, HEADER, flags=re.MULTILINE) + POWER))
    assert words in str(caught.value)


BODY_CASES = {
    "unknown figure": (
        "[figures.powr_w]\nvalue = 1",
        "unknown figure 'powr_w' for family brain (did you mean 'power_w'?)",
    ),
    "unknown key": ('[figure.power_w]\nunit = "W"', "unknown key 'figure' (did you mean 'figures'?)"),
    "missing figure": ("", "figure 'power_w' is missing"),
    "negative value": (POWER.replace("2.0", "-2.0"), "0 < low ≤ value ≤ high"),
    "low above high": (POWER.replace("1.0", "5.0"), "0 < low ≤ value ≤ high"),
    "not a number": (POWER.replace("2.0", "nan"), "finite number 'value'"),
    "infinite": (POWER.replace("4.0", "inf"), "finite number 'high'"),
    "too large for a float": (POWER.replace("4.0", "9" * 400), "finite number 'high'"),
    "a bool": (POWER.replace("2.0", "true"), "finite number 'value', got True"),
    "a text": (POWER.replace("2.0", '"2"'), "finite number 'value', got '2'"),
    "no condition": (POWER.replace('condition = "running"', ""), "a text 'condition'"),
    "no source": (POWER.replace('source = "mine"', ""), "a text 'source'"),
    "wrong dimension": (POWER.replace('"W"', '"J"'), "a value in 'J' cannot be given where 'W' is wanted"),
    "unknown grade": (POWER.replace("measured", "believed"), "grade 'believed'"),
    "figure as a number": ("[figures]\npower_w = 20", "figure 'power_w' must be a table"),
    "figures as a list": ("[[figures]]\npower_w = 20", "[figures] must be a table"),
    "unknown boundary": (POWER + '[traits]\nboundary = "moon"', "traits.boundary must be one of chip"),
    "boundary as a list": (POWER + "[traits]\nboundary = []", "traits.boundary must be one of chip"),
    "traits as a list": (POWER + "[[traits]]\na = 1", "[traits] must be a table"),
    "operating points": (POWER + "[operating_points]\na = 1", "[[operating_points]] must be tables"),
    "source that is none": (POWER + '[sources.mine]\ntitle = "x"', "source 'mine' needs a whole number 'year'"),
    "source with another meaning": (
        POWER + '[sources.davies2018]\nkind = "page"\ntitle = "x"\nauthors = "y"\nyear = 2020',
        "source 'davies2018' is bundled with another meaning",
    ),
}


@pytest.mark.parametrize("case", BODY_CASES)
def test_a_bad_body_is_refused(write: Write, case: str) -> None:
    body, words = BODY_CASES[case]
    with pytest.raises(MachineError) as caught:
        load(write(HEADER + body))
    assert words in str(caught.value)
    assert "mychip.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("line", ["refused = true", "refused = []", 'refused = ""', 'aliases = "x"', "aliases = [1]"])
def test_bad_words_in_the_head_are_refused(write: Write, line: str) -> None:
    with pytest.raises(MachineError, match=line.split(maxsplit=1)[0]):
        load(write(HEADER + line + "\n" + POWER))


def test_a_refused_machine_may_have_few_figures_but_they_are_checked(write: Write) -> None:
    refused = 'refused = "nothing is published"\n'
    assert load(write(HEADER + refused)).refused == "nothing is published"
    with pytest.raises(MachineError, match="finite number"):
        load(write(HEADER + refused + POWER.replace("2.0", "nan")))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("cores_per_tile = 0", "traits.cores_per_tile must be a positive number, got 0"),
        ('cores_per_tile = "four"', "traits.cores_per_tile must be a positive number"),
        ("graded_spikes = 1", "traits.graded_spikes must be true or false"),
        ('event_row = "half"', "traits.event_row must be one of full, sparse"),
        ("conductance_noise_us = [1, true]", "traits.conductance_noise_us must be a list of numbers"),
        ("kind = 3", "traits.kind must be a text"),
    ],
)
def test_a_trait_that_a_form_reads_is_checked(write: Write, line: str, words: str) -> None:
    with pytest.raises(MachineError) as caught:
        load(write(f"{HEADER}{POWER}[traits]\n{line}\n"))
    assert words in str(caught.value)


def test_a_trait_that_nothing_reads_is_a_note(write: Write) -> None:
    assert load(write(HEADER + POWER + '[traits]\ncolour = "blue"\n')).traits["colour"] == "blue"


def test_less_than_one_of_what_is_counted_is_refused(write: Write) -> None:
    half = POWER.replace("power_w", "neuron_count").replace('"W"', '"1"').replace("1.0", "0.5")
    with pytest.raises(MachineError, match=r"'neuron_count' must lie between 1 and 1e\+18, got 0\.5 to 4"):
        load(write(HEADER + POWER + half))


def test_all_problems_stand_in_one_message(write: Write) -> None:
    text = HEADER.replace('"brain"', '"neuromorphic"').replace("2026", '"new"')
    text += POWER.replace("power_w", "static_power_w").replace("1.0", "nan")
    with pytest.raises(MachineError) as caught:
        load(write(text + '[figures.core_cont]\nvalue = 1\n[sources.a]\ntitle = ""\n'))
    for words in (
        "'year' must be",
        "'static_power_w' needs a finite number 'low'",
        "'core_cont' for family neuromorphic (did you mean 'core_count'?)",
        "figure 'core_count' is missing",
        "one of the figures timestep_s, ",
        "source 'a' needs",
    ):
        assert words in str(caught.value)


def _bytes(content: bytes) -> Callable[[Path], None]:
    return lambda path: path.write_bytes(content) and None


FILES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "missing": (lambda path: None, "No such file"),
    "a directory": (lambda path: path.mkdir(), "not a file"),
    "a pipe": (os.mkfifo, "not a file"),
    "binary": (_bytes(b"\x7fELF\xff\xfe\x00\x01"), "not UTF-8 text"),
    "with a zero byte": (_bytes(b"name = \x00"), "not valid TOML"),
    "huge": (_bytes(b"#" * 1_000_001), "larger than 1,000,000 bytes"),
    "empty": (_bytes(b""), "schema must be"),
    "JSON": (_bytes(b'{"name": "x"}'), "not valid TOML"),
    "truncated": (_bytes((HEADER + POWER)[:-20].encode()), "not valid TOML"),
    "the same key twice": (_bytes(b"a = 1\na = 2"), "not valid TOML"),
    "deeply nested": (_bytes(b"a = " + b"[" * 50_000), "not valid TOML"),
    "a number of many digits": (_bytes(b"a = " + b"9" * 10_000), "not valid TOML"),
}


@pytest.mark.parametrize("case", FILES)
def test_a_file_that_cannot_be_read_is_refused_in_one_line(tmp_path: Path, case: str) -> None:
    make, words = FILES[case]
    path = tmp_path / "chip.toml"
    make(path)
    with pytest.raises(MachineError) as caught:
        load(str(path))
    assert words in str(caught.value)
    assert "chip.toml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_path_with_a_zero_byte_is_refused() -> None:
    with pytest.raises(MachineError):
        load("a\0b.toml")


def test_an_unreadable_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "chip.toml"
    path.write_text(HEADER + POWER)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user reads everything")
    with pytest.raises(MachineError, match="Permission denied"):
        load(str(path))


SOURCE = (
    '[sources.mine]\nkind = "report"\ntitle = "My bench"\nauthors = "Doe, Jane"\nyear = 2026\nurl = "https://x.org"\n'
)


def test_a_file_brings_its_own_sources(write: Write) -> None:
    machine = load(write(HEADER + POWER + SOURCE))
    assert machine.sources["mine"].title == "My bench"
    assert price(BrainWorkload(time_s=1.0), machine, Scenario(draws=0)).sources == ("mine",)


def test_a_bundled_file_must_cite_sources_that_are_known() -> None:
    tables = {
        "schema": "twentywatts.machine/1",
        "name": "x",
        "title": "X",
        "summary": "S",
        "family": "neuromorphic",
        "year": 2020,
        "refused": "for a test",
        "traits": {"source": "davies2081"},
    }
    with pytest.raises(
        MachineError, match=r"'davies2081' of 'traits' is not in sources\.toml \(did you mean 'davies2018'"
    ):
        parse(tables, origin="bundled")
    assert parse(tables, origin="elsewhere").traits["source"] == "davies2081"


@pytest.mark.parametrize("tables", [None, [], 3, "text"])
def test_tables_that_are_none_are_refused(tables: Any) -> None:
    with pytest.raises(MachineError, match="wanted a table"):
        parse(tables, origin="plug-in x")


def test_a_mutated_file_is_read_or_refused_never_worse(tmp_path: Path) -> None:
    source = Path(__file__).parents[3] / "src/twentywatts/machines/data/neuromorphic/loihi.toml"
    good = source.read_bytes()
    random_ = random.Random(20)
    path = tmp_path / "chip.toml"
    for _ in range(200):
        mutated = bytearray(good)
        for _ in range(random_.randint(1, 8)):
            at = random_.randrange(len(mutated))
            kind = random_.randrange(3)
            if kind == 0:
                mutated[at] = random_.randrange(256)
            elif kind == 1:
                del mutated[at : at + random_.randint(1, 40)]
            else:
                mutated[at:at] = bytes(random_.choices(b'"[]=\n.0-e', k=random_.randint(1, 5)))
        path.write_bytes(mutated)
        with contextlib.suppress(TwentyWattsError):
            load(str(path))


@pytest.mark.parametrize(
    "text", ["a" + ".a" * 50_000 + " = 1", '"a"' + ' . "a"' * 50_000 + " = 1", "x = " + "9" * 200_000, "[" * 100_000]
)
def test_a_file_of_odd_size_ends_soon(text: str, tmp_path: Path) -> None:
    """TOML's own reader takes minutes and gigabytes for a key of 50,000 parts."""
    file = tmp_path / "x.toml"
    file.write_text(text)
    with pytest.raises(MachineError):
        load(str(file))


def test_a_machine_prints_in_one_line() -> None:
    assert str(load("loihi")).startswith("Intel Loihi (loihi, neuromorphic, 2018): ")
    assert "refused: " in str(load("akida"))
