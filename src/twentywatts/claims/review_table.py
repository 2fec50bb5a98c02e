"""A paper's table: a CSV with headers and units as papers write them, read into rows of numbers in SI units."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from twentywatts.errors import InputError, clean, nearest
from twentywatts.units import convert

__all__ = ["COLUMNS", "PaperRow", "read_table"]

_MAX_BYTES = 5_000_000
_MAX_ROWS, _MAX_COLUMNS = 10_000, 1_000
# what a column may be called; case, spaces and signs do not matter
COLUMNS: Mapping[str, tuple[str, ...]] = {
    "name": ("model", "network", "method", "name", "architecture", "dataset"),
    "timesteps": ("timesteps", "timestep", "t", "steps", "numsteps", "latencysteps"),
    "spike_rate": ("spikerate", "firingrate", "rate", "averagespikerate", "averagefiringrate", "fr"),
    "mac_count": ("maccount", "macs", "mac", "annops", "opann", "opsann", "annmacs", "flops", "annflops"),
    "sop_count": ("sopcount", "sops", "sop", "synops", "acs", "ac", "snnops", "opsnn", "opssnn", "snnsops", "account"),
    "analog_mac_count": ("analogmaccount", "firstlayermacs", "layer1macs", "macs1", "snnmacs", "snnmac"),
    "neuron_count": ("neuroncount", "neurons"),
    "claimed_j": ("claimedenergy", "energy", "snnenergy", "energysnn", "claimedsnnenergy", "esnn"),
    "claimed_ann_j": ("claimedannenergy", "annenergy", "energyann", "eann"),
    "claimed_ratio": ("claimedratio", "ratio", "annsnn", "energyratio", "annsnnenergy", "saving"),
}
_KINDS = {"claimed_j": "energy", "claimed_ann_j": "energy", "name": "text", "spike_rate": "share"}
_NUMBER = re.compile(r"([+-]?(?:\d[\d,]*\.?\d*|\.\d+)(?:\s*(?:[eE]|[x×*]\s*10\^?)\s*[-−]?\d+)?)\s*(.*)", re.DOTALL)
_COUNT_PREFIXES = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9, "b": 1e9, "t": 1e12}
_COUNT_WORDS = re.compile(r"(?:flops?|macs?|sops?|ops?|acs?|synops?)?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class PaperRow:
    """One line of a paper's table; None where it says nothing.

    line: in the file. spike_rate: spikes per neuron and time step. mac_count: of the network without spikes, per
    inference; sop_count: synaptic operations of an inference; analog_mac_count: multiply-accumulates that the spiking
    network keeps. claimed_j, claimed_ann_j [J]; claimed_ratio: the second over the first.
    """

    line: int
    name: str
    timesteps: int | None = None
    spike_rate: float | None = None
    mac_count: float | None = None
    sop_count: float | None = None
    analog_mac_count: float | None = None
    neuron_count: float | None = None
    claimed_j: float | None = None
    claimed_ann_j: float | None = None
    claimed_ratio: float | None = None


def read_table(path: str | Path) -> list[PaperRow]:
    """Return the rows of a CSV (comma, semicolon or tab); raises InputError that names the line and the column."""
    text = _text(path)
    lines = _lines(text, path)
    if not lines:
        raise InputError(f"'{path}' is empty; wanted is a header such as model,timesteps,spike_rate,macs,energy (mJ)")
    number, header = lines[0]
    columns = _columns(header, f"'{path}', line {number}")
    rows = [_row(cells, line, columns, f"'{path}', line {line}") for line, cells in lines[1:]]
    if not rows:
        raise InputError(f"'{path}' has a header and no row")
    return rows


def _text(path: str | Path) -> str:
    file = Path(path)
    try:
        if not file.is_file():
            raise InputError(f"cannot read '{path}': {'not a file' if file.exists() else 'no such file'}")
        if file.stat().st_size > _MAX_BYTES:
            raise InputError(f"'{path}' is larger than {_MAX_BYTES:,} bytes: no paper has such a table")
        return file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"cannot read '{path}': {error.strerror or error}") from error
    except UnicodeDecodeError:
        raise InputError(f"'{path}' is not UTF-8 text; save the table as CSV in UTF-8") from None


def _lines(text: str, path: str | Path) -> list[tuple[int, list[str]]]:
    """Return (line, cells) of every line that is not empty."""
    if "\0" in text:
        raise InputError(f"'{path}' is not a text: it holds zero bytes")
    first = text.lstrip("\r\n").partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    found = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                found.append((reader.line_num, cells))
            if len(found) > _MAX_ROWS:
                raise InputError(f"'{path}' has more than {_MAX_ROWS:,} rows: no paper has such a table")
    except csv.Error as error:
        raise InputError(f"'{path}', line {reader.line_num}: {error}") from None
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    key: str
    header: str
    unit: str


def _columns(header: Sequence[str], where: str) -> list[_Column | None]:
    """Return what each column is, None for one that is not known."""
    if len(header) > _MAX_COLUMNS:
        raise InputError(f"{where}: more than {_MAX_COLUMNS:,} columns: no paper has such a table")
    columns = [_column(title) for title in header]
    keys = [column.key for column in columns if column]
    for key in keys:
        if keys.count(key) > 1:
            names = ", ".join(f"'{clean(c.header)}'" for c in columns if c and c.key == key)
            raise InputError(f"{where}: {names} are the same column; keep one of them")
    if "sop_count" not in keys and "mac_count" not in keys:
        words = [word for key in ("mac_count", "sop_count") for word in COLUMNS[key]]
        hint = next((found for title in header if (found := nearest(_plain(title), words))), "")
        raise InputError(f"{where}: no column tells the operations; wanted is 'macs' or 'sops'{hint}")
    return columns


def _plain(title: str) -> str:
    return re.sub(r"[^a-z0-9]", "", re.sub(r"[(\[].*", "", title).lower())


def _column(title: str) -> _Column | None:
    """Return the meaning and the unit of a header: ``Energy (mJ)``, ``energy_mj``, ``#OP_SNN [M]``."""
    bracket = re.search(r"[(\[]\s*([^)\]]*?)\s*[)\]]", title)
    plain, unit = _plain(title), bracket[1] if bracket else ""
    for key, names in COLUMNS.items():
        if plain in names:
            return _Column(key=key, header=title, unit=unit)
    tail = re.fullmatch(r"(.*?)(fj|pj|nj|uj|mj|j)", plain)
    for key in ("claimed_j", "claimed_ann_j"):
        if tail and tail[1] in COLUMNS[key] and not unit:
            return _Column(key=key, header=title, unit=f"{tail[2][:-1]}J")
    return None


def _row(cells: Sequence[str], line: int, columns: Sequence[_Column | None], where: str) -> PaperRow:
    if len(cells) > len(columns):
        raise InputError(f"{where}: {len(cells)} cells, and the header has {len(columns)}")
    values: dict[str, float | int | str] = {}
    for cell, column in zip(cells, columns, strict=False):
        text = cell.strip()
        if column is None or text in ("", "-", "–", "—", "n/a", "N/A", "NA", "none"):
            continue
        place = f"{where}, column '{clean(column.header)}'"
        values[column.key] = text if column.key == "name" else _value(text, column, place)
    name = str(values.pop("name", "")) or f"line {line}"
    return PaperRow(line=line, name=name, **values)  # type: ignore[arg-type]


def _value(text: str, column: _Column, place: str) -> float | int:
    """Return one cell as a number in SI units; raises InputError."""
    found = _NUMBER.fullmatch(text)
    if not found:
        raise InputError(f"{place}: '{clean(text)[:60]}' is no number")
    number = _float(found[1])
    if number is None or not math.isfinite(number) or abs(number) > 1e30:
        raise InputError(f"{place}: '{clean(text)[:60]}' is no number that can be used (write 3.1 or 3.1e-7)")
    if number < 0:
        raise InputError(f"{place}: '{clean(text)[:60]}' is below zero")
    unit = found[2].strip() or column.unit
    kind = _KINDS.get(column.key, "count")
    if kind == "energy":
        return _energy(number, unit, place)
    if kind == "share":
        return _share(number, unit, place)
    if column.key == "claimed_ratio":
        return number
    count = number * _prefix(unit, place)
    if column.key != "timesteps":
        return count
    if count != int(count) or not 1 <= count <= 1e6:
        raise InputError(f"{place}: time steps are a whole number of at least 1, got '{clean(text)[:60]}'")
    return int(count)


_COMMA = re.compile(r"\d{1,3}(?:,\d{3})+(?!\d)")


def _float(text: str) -> float | None:
    """Return a number, None for one that could be read in two ways (3,1)."""
    if "," in text and not _COMMA.match(text.lstrip("+-")):
        return None
    plain = re.sub(r"\s*[x×*]\s*10\^?\s*", "e", text.replace(",", "").replace("−", "-"))
    try:
        return float(plain.replace(" ", ""))
    except ValueError:
        return None


def _energy(number: float, unit: str, place: str) -> float:
    if not unit:
        raise InputError(f"{place}: no unit; write it in the header, 'energy (mJ)', or in the cell, '3.1 mJ'")
    scaled = re.fullmatch(r"10\^?\s*[-−](\d{1,2})\s*(J)", unit)
    try:
        return number * 10.0 ** -int(scaled[1]) if scaled else convert(number, unit, "J")
    except InputError:
        raise InputError(f"{place}: '{clean(unit)[:30]}' is no unit of energy (write mJ, uJ, pJ, …)") from None


def _share(number: float, unit: str, place: str) -> float:
    if unit not in ("", "%"):
        raise InputError(f"{place}: '{clean(unit)[:30]}' after a spike rate; write 0.14 or 14 %")
    share = number / 100.0 if unit == "%" else number
    if share > 1:
        raise InputError(f"{place}: {number:g} spikes per neuron and time step are more than one; write 14 % or 0.14")
    return share


def _prefix(unit: str, place: str) -> float:
    """Return the factor of ``M``, ``G``, ``MFLOPs``, ``10^6`` or nothing."""
    power = re.fullmatch(r"(?:[x×*]\s*)?10\^?\s*(\d{1,2})", unit)
    if power:
        return 10.0 ** int(power[1])
    letter, rest = (unit[:1].lower(), unit[1:]) if unit[:1].lower() in _COUNT_PREFIXES and unit else ("", unit)
    for factor, word in ((_COUNT_PREFIXES[letter], rest), (1.0, unit)):
        if _COUNT_WORDS.fullmatch(word.strip()):
            return factor
    raise InputError(f"{place}: '{clean(unit)[:30]}' is no unit of a count (write M, G, k or nothing)")
