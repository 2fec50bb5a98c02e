"""`twentywatts watch` on a terminal and in a pipe, `twentywatts export` from start to stop."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import pytest
from tests.support.living import living
from tests.support.terminal import Terminal, hears_keys

COMMAND = [sys.executable, "-m", "twentywatts"]


def environment(root: Path) -> dict[str, str]:
    return {**os.environ, "TWENTYWATTS_ROOT": str(root), "TERM": "xterm"}


def screen(root: Path, key: bytes, **terminal_says: str) -> tuple[str, int]:
    """Return what watch draws on a terminal of 80 by 24 until ``key`` is pressed, and its exit code."""
    if not hears_keys():
        pytest.skip("terminals here do not send Ctrl-C on")
    terminal = Terminal([*COMMAND, "watch", "--interval", "0.3"], environment(root) | terminal_says)
    terminal.until(lambda seen: seen.count(b" W") >= 3)
    terminal.press(key)
    code = terminal.end()
    return terminal.seen.decode("utf-8", "replace"), code


@pytest.mark.parametrize("key", [b"q", b"\x03"])
def test_the_screen_fits_and_keys_leave_it(key: bytes, tmp_path: Path) -> None:
    with living("client", tmp_path):
        text, code = screen(tmp_path, key)
    assert code == 0
    assert "\x1b[?1049l" in text, "the terminal is given back"
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)
    assert max(len(line.rstrip("\r")) for line in plain.split("\n")) <= 80 * 2
    assert "cpu 0" in plain
    assert " W" in plain


def test_a_terminal_that_knows_no_size_is_drawn_on_and_one_without_a_cursor_gets_lines(tmp_path: Path) -> None:
    with living("client", tmp_path):
        drawn, drawn_code = screen(tmp_path, b"q", COLUMNS="0", LINES="0")
        lines, lines_code = screen(tmp_path, b"\x03", TERM="dumb")
    assert (drawn_code, lines_code) == (0, 0)
    assert "twentywatts watch" in drawn
    assert "\x1b" not in lines


def test_in_a_pipe_it_is_a_line_per_interval(tmp_path: Path) -> None:
    with living("client", tmp_path):
        line = [*COMMAND, "watch", "--interval", "0.6"]
        process = subprocess.Popen(line, env=environment(tmp_path), stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert all(re.match(r"\d\d:\d\d:\d\d  [\d.]+ W  ", line) for line in lines), lines
    assert "(platform" in lines[-1], "what overlaps stands in brackets"


def test_where_nothing_lives_it_says_why(tmp_path: Path) -> None:
    done = subprocess.run([*COMMAND, "watch"], env=environment(tmp_path), capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "nothing can be watched here" in done.stderr


def test_export_serves_until_it_is_told_to_stop(tmp_path: Path) -> None:
    with living("client", tmp_path):
        line = [*COMMAND, "export", "--prometheus", ":0"]
        process = subprocess.Popen(line, env=environment(tmp_path), stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        url = process.stderr.readline().split()[-1]
        assert url.startswith("http://127.0.0.1:")
        with build_opener(ProxyHandler({})).open(url, timeout=60) as answer:  # a proxy of the environment is not asked
            text = answer.read().decode()
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert "twentywatts_node_energy_joules_total" in text
    assert 'scope="platform"' in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["export"], "name where to"),
        (["export", "--prometheus", "9400"], "HOST:PORT"),
        (["export", "--otlp", "nowhere"], "--otlp takes the URL"),
        (["export", "--prometheus", ":0", "--interval", "0"], "--interval"),
        (["watch", "--interval", "0"], "--interval"),
    ],
)
def test_bad_input_is_one_line(words: list[str], said: str, tmp_path: Path) -> None:
    done = subprocess.run([*COMMAND, *words], env=environment(tmp_path), capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
