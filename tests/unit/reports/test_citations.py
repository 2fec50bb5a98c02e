import json
import re
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.example_comparison import example_comparison

from twentywatts.errors import InputError
from twentywatts.figures import load_sources
from twentywatts.reports.citations import bibtex, read_document
from twentywatts.reports.document import comparison_document
from twentywatts.reports.names import names_text, unaccented
from twentywatts.reports.records import source_records


def entry(**changes):
    source = {"kind": "paper", "title": "T", "authors": "A, B", "year": 2020, "venue": "V", "doi": "", "url": ""}
    return bibtex({"sources": {"key": {**source, **changes}}})


def balanced(text: str) -> bool:
    depth = 0
    for letter in re.sub(r"\\.", "", text):
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if depth < 0:
            return False
    return depth == 0


def test_every_source_of_a_comparison_becomes_one_entry():
    document = comparison_document(example_comparison())
    text = bibtex(document)
    assert re.findall(r"^@\w+\{([^,]+),$", text, flags=re.M) == sorted(document["sources"])
    assert "doi = {10.1109/MM.2018.112130359}" in text


def test_all_bundled_sources_make_balanced_entries():
    text = bibtex({"sources": source_records(load_sources(), own={})})
    assert balanced(text)
    assert text.count("\n@") + 1 == len(load_sources())


def test_special_letters_are_escaped_and_addresses_are_not():
    text = entry(title="50 % & more_of #1 {x} \\y ~z^", url="https://a.b/c_d%20e#f", doi="10.1/a_b")
    assert r"50 \% \& more\_of \#1 \textbraceleft{}x\textbraceright{} \textbackslash{}y" in text
    assert r"\textasciitilde{}z\textasciicircum{}" in text
    assert "url = {https://a.b/c_d%20e#f}" in text
    assert "doi = {10.1/a_b}" in text


def test_an_organisation_stays_in_braces_and_accents_become_letters():
    text = entry(authors='{Google Cloud} and H{\\"o}ppner, Sebastian and others')
    assert "author = {{Google Cloud} and Höppner, Sebastian and others}" in text


@pytest.mark.parametrize("name", ['H{\\"o}ppner', 'H\\"oppner', 'H\\"{o}ppner', '{H\\"oppner}'.strip("{}")])
def test_accent_commands_are_read(name):
    assert unaccented(name) == "Höppner"


def test_names_for_people():
    assert names_text("Davies, Mike and Lin, Tsung-Han and others") == "Davies, Mike; Lin, Tsung-Han; et al."
    assert names_text("{NVIDIA}") == "NVIDIA"
    assert names_text("A and B and C and D") == "A; B; C; et al."


@given(st.text(), st.text(), st.text())
def test_no_text_breaks_an_entry(title, authors, address):
    text = entry(title=title, authors=authors, url=address, venue=title)
    assert balanced(text)
    assert all(line.startswith(("@", "  ", "}")) or not line for line in text.split("\n"))


def test_a_document_is_read_back(tmp_path):
    document = comparison_document(example_comparison())
    path = tmp_path / "out.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    assert read_document(path) == document


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe\x00",
        b"[1, 2]",
        b'{"schema": "other/1", "sources": {}}',
        b'{"schema": "twentywatts.count/1"}',
        b'{"schema": "twentywatts.comparison/1", "sources": {"a": 3}}',
        b'{"schema": "twentywatts.comparison/1", "sources": {"a": {"title": ["x"]}}}',
        b'{"schema": 7, "sources": {}}',
        b"[" * 100_000,
        b'{"schema": ' + b"9" * 10_000 + b"}",
    ],
)
def test_anything_else_is_one_clear_error(tmp_path, content):
    path = tmp_path / "out.json"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"out\.json"):
        read_document(path)


def test_missing_files_folders_and_giants_are_refused(tmp_path):
    giant = tmp_path / "giant.json"
    with giant.open("wb") as file:
        file.truncate(65_000_000)
    for path in (tmp_path / "none.json", tmp_path, giant):
        with pytest.raises(InputError, match=re.escape(path.name)):
            read_document(path)


@pytest.mark.parametrize("text", ["}} @article{x,", "\\input{/etc/passwd}", "{", "a}{b", "\\}", "{{x} and }", "{\\"])
def test_no_text_leaves_its_field(text: str) -> None:
    """BibTeX counts braces whether or not a backslash stands before them."""
    source = dict.fromkeys(("title", "authors", "venue", "doi", "url"), text) | {"year": 2020, "kind": "paper"}
    body = bibtex({"sources": {text: source}}).rstrip("\n").removeprefix("@article")
    depths = list(accumulate((letter == "{") - (letter == "}") for letter in body))
    assert min(depths[:-1]) == 1
    assert depths[-1] == 0
