"""The commands and programs in README.md and docs/start run as they stand."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.commands import command, program

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "start").glob("*.md")), *sorted((ROOT / "docs/how").glob("*.md"))]
_OF_THEIR_OWN = ("measure", "doctor", "watch", "export")  # they look at their process, its children and its signals
_NO_COUNTER = 1  # what `doctor` answers on a machine where nothing can be measured
FENCED = re.compile(r"^```.*?\n(.*?)^```", re.MULTILINE | re.DOTALL)
SPOKEN = re.compile(r"`(twentywatts [^`]+)`")
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(kind: str) -> list[tuple[str, str]]:
    return [(page.name, text) for page in PAGES for found, text in BLOCK.findall(page.read_text()) if found == kind]


@pytest.fixture(scope="module")
def folder(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(ROOT / "examples", folder / "examples")
    shutil.copytree(digits, folder, dirs_exist_ok=True)
    return folder


def run(folder: Path, line: list[str], *, allowed: tuple[int, ...] = (0,)) -> str:
    """Run it where a reader would be: in an environment whose own commands come first on the path."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    result = subprocess.run(
        line, cwd=folder, capture_output=True, text=True, timeout=300, check=False, env={**os.environ, "PATH": path}
    )
    assert result.returncode in allowed, f"{shlex.join(line)}\n{result.stdout}\n{result.stderr}"
    return result.stdout


def commands() -> list[tuple[str, str]]:
    """Return pages and lines; what stands on two pages is run for the first one."""
    lines = [(name, line.split(" # ")[0].strip()) for name, text in blocks("bash") for line in text.splitlines()]
    first = {line: name for name, line in reversed(lines) if line.startswith(("twentywatts ", "python "))}
    return [(name, line) for line, name in reversed(first.items())]


@pytest.mark.parametrize(("page", "line"), commands())
def test_commands_run(page: str, line: str, folder: Path) -> None:
    verb, *words = shlex.split(line)
    if verb == "python":
        program(folder / words[0], *words[1:], cwd=folder)
    elif words[0] in _OF_THEIR_OWN:
        allowed = (0, _NO_COUNTER) if words[0] == "doctor" else (0,)
        run(folder, [sys.executable, "-m", "twentywatts", *words], allowed=allowed)
    else:
        done = command(*words, cwd=folder)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


def mentioned() -> list[tuple[str, str]]:
    """Return every command with arguments that a page mentions, in a sentence or in a block that is not run."""
    found = []
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        text = page.read_text(encoding="utf-8")
        lines = [line.strip() for block in FENCED.findall(text) for line in block.splitlines()]
        lines += [" ".join(words.split()) for words in SPOKEN.findall(FENCED.sub("", text))]
        wanted = (line.split(" # ")[0].split(" | ")[0] for line in lines if line.startswith("twentywatts "))
        found += [(str(page.relative_to(ROOT)), line) for line in wanted if " " in line[len("twentywatts ") :]]
    return [(page, line) for page, line in dict.fromkeys(found) if not re.search("…|VERB|NAME|MORE", line)]


def test_commands_that_a_page_mentions_are_taken() -> None:
    from twentywatts.cli import _parser

    for page, line in mentioned():
        words = shlex.split(line)[1:]
        if "--help" in words or "--version" in words or words == ["plan", "training"]:
            continue
        parser = _parser(words)
        unknown = parser.parse_known_args(words)[1]  # raises where something is missing
        assert not unknown, f"{page}: {line}"


@pytest.mark.parametrize(("page", "text"), blocks("python"))
def test_programs_run(page: str, text: str, folder: Path) -> None:
    assert program(text, cwd=folder)


def test_a_program_in_the_examples_is_short_and_runs(folder: Path) -> None:
    for path in sorted((ROOT / "examples").glob("*.py")):
        assert len(path.read_text().splitlines()) <= 80, path.name
        program(path, cwd=folder)
