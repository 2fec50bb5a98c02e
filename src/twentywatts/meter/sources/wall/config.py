"""Which wall meters there are: a TOML file that a person wrote. Nothing is ever searched for.

[[meter]]
kind = "shelly"               # shelly, tasmota, redfish, csv
host = "192.168.1.40"         # redfish: https unless secure = false
name = "rack plug"            # for people
quantity = "power"            # or "energy": the meter's own counter, coarse but complete
channel = "0"                 # shelly: the switch; redfish: the chassis
resource = "Power"            # redfish: or "EnvironmentMetrics"
user_variable = "PLUG_USER"   # names of environment variables; the file holds no password
password_variable = "PLUG_PASSWORD"
error_frac = 0.01             # what the meter's datasheet states
period_s = 1.0                # how often the meter has a new value, if you know it
ca_file = "bmc.pem"           # to trust a certificate of your own
path = "meter.csv"            # csv: a recording, read after the run beside its journal
time = "time"                 # csv: the columns; time_unit "s", "ms" or "iso" (dates), power_unit "W" or "kW"
power = "power"
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from twentywatts.errors import InputError, nearest

__all__ = ["KINDS", "MeterConfig", "load", "parse"]

KINDS = ("shelly", "tasmota", "redfish", "csv")
_MOST_METERS = 64
_LARGEST_BYTES = 65536
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]{0,251}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::\d{1,5})?")
_WORD = re.compile(r"[A-Za-z0-9._-]{1,64}")
_QUANTITIES = ("power", "energy")
_RESOURCES = ("Power", "EnvironmentMetrics")


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterConfig:
    """One meter of the file; period_s 0: the default of its kind."""

    kind: str
    host: str = ""
    name: str = ""
    quantity: str = "power"
    channel: str = ""
    resource: str = "Power"
    user_variable: str = ""
    password_variable: str = ""
    error_frac: float = 0.0
    period_s: float = 0.0
    ca_file: str = ""
    secure: bool = True
    path: str = ""
    time: str = "time"
    power: str = "power"
    time_unit: str = "s"
    power_unit: str = "W"

    @property
    def key(self) -> str:
        """The key of its channel: kind, host and what of it."""
        return ":".join(word for word in ("wall", self.kind, self.host, self.channel) if word)


def load(path: Path) -> tuple[MeterConfig, ...]:
    """Return the meters of a file; raises InputError with what is wrong. Files named in it are relative to it."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_BYTES + 1)
    except OSError as error:
        raise InputError(f"the wall meters' file '{path}' cannot be read: {error.strerror}") from error
    if len(data) > _LARGEST_BYTES:
        raise InputError(f"the wall meters' file '{path}' is larger than {_LARGEST_BYTES} bytes")
    import tomllib

    try:
        tables = tomllib.loads(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"the wall meters' file '{path}' is not TOML: {error}") from error
    return parse(tables, folder=path.parent)


def parse(tables: Mapping[str, Any], *, folder: Path = Path()) -> tuple[MeterConfig, ...]:
    """Return the meters of parsed TOML; raises InputError."""
    meters = tables.get("meter")
    if set(tables) != {"meter"} or not isinstance(meters, list) or not 0 < len(meters) <= _MOST_METERS:
        raise InputError(f"a file of wall meters holds 1 to {_MOST_METERS} tables [[meter]] and nothing else")
    found = tuple(_meter(table, f"meter {number}", folder) for number, table in enumerate(meters, 1))
    keys = [meter.key for meter in found if meter.kind != "csv"]
    for key in keys:
        if keys.count(key) > 1:
            raise InputError(f"the wall meter {key} is there twice: it would be counted twice")
    return found


def _meter(table: Any, place: str, folder: Path) -> MeterConfig:
    if not isinstance(table, dict):
        raise InputError(f"{place} must be a table")
    types = {field.name: type(field.default) for field in fields(MeterConfig) if field.name != "kind"} | {"kind": str}
    given = {key: _number(value) if types.get(key) is float else value for key, value in table.items()}
    for key, value in given.items():
        if key not in types:
            hint = " (passwords stay in environment variables)" if "pass" in key else nearest(key, types)
            raise InputError(f"{place} has an unknown key '{key}'{hint}")
        if type(value) is not types[key]:
            raise InputError(f"{place}: '{key}' must be a {_WORDS[types[key]]}, got {value!r}")
    if table.get("kind") not in KINDS:
        raise InputError(f"{place} needs a kind: {', '.join(KINDS)}")
    files = {key: str(folder / given[key]) for key in ("ca_file", "path") if given.get(key)}
    meter = MeterConfig(**{**given, **files})
    _check(meter, place)
    return meter


def _number(value: Any) -> Any:
    return float(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**53 else value


_WORDS = {str: "text", float: "number", bool: "true or false"}


def _check(meter: MeterConfig, place: str) -> None:
    if meter.kind == "csv":
        if not meter.path:
            raise InputError(f"{place} needs the path of its CSV file")
    elif not _HOST.fullmatch(meter.host):
        raise InputError(f"{place} needs a host: a name or an address, with a port if need be, and nothing else")
    for name, allowed in (("quantity", _QUANTITIES), ("resource", _RESOURCES)):
        if getattr(meter, name) not in allowed:
            raise InputError(f"{place}: {name} is one of {', '.join(allowed)}")
    if meter.channel and not _WORD.fullmatch(meter.channel):
        raise InputError(f"{place}: a channel has letters, digits, '.', '_' and '-' alone")
    if meter.kind == "shelly" and meter.channel and not meter.channel.isdigit():
        raise InputError(f"{place}: the channel of a Shelly is a number")
    if meter.quantity == "energy" and meter.kind == "redfish" and meter.resource != "EnvironmentMetrics":
        raise InputError(f'{place}: energy stands in resource = "EnvironmentMetrics"')
    if not 0 <= meter.error_frac < 1 or not 0 <= meter.period_s <= 3600:
        raise InputError(f"{place}: error_frac is 0 to 1, period_s is 0 to 3600")
