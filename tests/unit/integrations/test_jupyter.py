"""The magic %%joules, on a shell that stands in for IPython's."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.living import living

from twentywatts.integrations.jupyter import load_ipython_extension
from twentywatts.meter.shared import close_shared


class Shell:
    """As much of IPython's shell as the magic uses."""

    def __init__(self) -> None:
        self.user_ns: dict[str, Any] = {}
        self.magics: dict[str, Callable[..., None]] = {}

    def register_magic_function(self, function: Callable[..., None], kind: str, name: str) -> None:
        assert kind == "line_cell"
        self.magics[name] = function

    def run_cell(self, text: str, store_history: bool) -> None:
        assert store_history is False
        exec(text, self.user_ns)


@pytest.fixture(autouse=True)
def _own_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    close_shared()
    monkeypatch.setenv("TWENTYWATTS_ROOT", str(tmp_path / "machine"))
    (tmp_path / "machine").mkdir()
    yield
    close_shared()


def test_a_cell_is_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell()
    load_ipython_extension(shell)
    with living("client", tmp_path / "machine"):
        shell.magics["joules"]("name", "import time\ntime.sleep(0.2)\nx = 3")
    assert shell.user_ns["x"] == 3
    assert shell.user_ns["joules_"].is_measured
    assert capsys.readouterr().out.endswith(" measured\n")


def test_a_line_says_when_it_estimates(capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell()
    load_ipython_extension(shell)
    shell.magics["joules"]("y = 1")
    assert shell.user_ns["y"] == 1
    text = capsys.readouterr().out
    assert "ESTIMATED, not measured" in text or "unavailable" in text
