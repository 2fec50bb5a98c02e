"""What a person who waits is shown: on a terminal one line, elsewhere few lines, after the end nothing."""

from __future__ import annotations

import io
import sys
import threading

import pytest

from twentywatts.cli import progress
from twentywatts.cli.progress import Progress


class Screen(io.StringIO):
    """Standard error that tells when it has been written to three times."""

    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self.terminal = terminal
        self.lines = 0
        self.busy = threading.Event()

    def isatty(self) -> bool:
        return self.terminal

    def write(self, text: str) -> int:
        self.lines += "(" in text
        if self.lines >= 3:
            self.busy.set()
        return super().write(text)


@pytest.mark.parametrize("terminal", [True, False])
def test_a_long_step_is_shown_again_until_it_ends(monkeypatch: pytest.MonkeyPatch, terminal: bool) -> None:
    for name in ("_QUIET_S", "_PLAIN_EVERY_S", "_TERMINAL_EVERY_S"):
        monkeypatch.setattr(progress, name, 0.01)
    screen = Screen(terminal=terminal)
    monkeypatch.setattr(sys, "stderr", screen)
    shown = Progress("reading")
    shown("pricing \x1b[2J", 0.5)
    assert screen.busy.wait(30)
    shown.close()
    text = screen.getvalue()
    assert " 50 %  pricing  [2J (0 s)" in text
    assert "\x1b" not in text
    assert text.endswith("\r" if terminal else "\n")
    shown("after the end", 1.0)
    assert screen.getvalue() == text


def test_what_is_quick_shows_nothing(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(progress, "_QUIET_S", 600.0)  # of a machine however busy
    shown = Progress()
    shown("reading", 0.1)
    shown.close()
    assert capsys.readouterr().err == ""
