import json
import re
import tracemalloc
from itertools import accumulate

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.example_comparison import example_comparison

from twentywatts.errors import InputError
from twentywatts.figures import load_sources
from twentywatts.reports.citations import bibtex, read_document
from twentywatts.reports.document import comparison_document
from twentywatts.reports.members import read_members
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
    wanted = {name: document[name] for name in ("schema", "sources")}
    for indent in (None, 2):
        path.write_text(json.dumps(document, indent=indent), encoding="utf-8")
        assert read_document(path) == wanted


texts = st.text() | st.sampled_from(["schema", "sources", '"', "\\", '"sources": {', "{", "]", "sources\\"])
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=60)
@given(st.dictionaries(texts, values, max_size=6), st.sampled_from([None, 1]), st.booleans())
def test_members_are_those_that_json_reads(tmp_path_factory, document, indent, ascii_only):
    path = tmp_path_factory.getbasetemp() / "members.json"
    path.write_text(json.dumps(document, indent=indent, ensure_ascii=ascii_only), encoding="utf-8", errors="replace")
    read = json.loads(path.read_text(encoding="utf-8"))
    wanted = {k: v for k, v in read.items() if k in ("schema", "sources") and isinstance(v, str | list | dict)}
    assert read_members(path, ("schema", "sources"), max_bytes=10**6) == wanted
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match=r"cut short|no JSON"):
        read_members(path, ("schema", "sources"), max_bytes=10**6)


def test_what_is_not_cited_is_not_built(tmp_path):
    path = tmp_path / "out.json"
    document = {"schema": "twentywatts.comparison/1", "rows": [{"layers": ['\\"x' * 10, 1.5]}] * 10_000, "sources": {}}
    path.write_text(json.dumps(document), encoding="utf-8")
    tracemalloc.start()
    read_document(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 0.1 * path.stat().st_size
    document["sources"] = {str(index): {"title": "x" * 1000} for index in range(5000)}
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(InputError, match="at most 4,000,000"):
        read_document(path)


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
        file.truncate(200_000_001)
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
