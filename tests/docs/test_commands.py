"""The commands and programs in README.md and docs/start run as they stand."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "start").glob("*.md")), *sorted((ROOT / "docs/how").glob("*.md"))]
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(kind: str) -> list[tuple[str, str]]:
    return [(page.name, text) for page in PAGES for found, text in BLOCK.findall(page.read_text()) if found == kind]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reader")
    shutil.copytree(ROOT / "examples", folder / "examples")
    run(folder, [sys.executable, "examples/digits_data.py", "."])
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
    lines = [(name, line.split(" # ")[0].strip()) for name, text in blocks("bash") for line in text.splitlines()]
    return [(name, line) for name, line in lines if line.startswith(("twentywatts ", "python "))]


@pytest.mark.parametrize(("page", "line"), commands())
def test_commands_run(page: str, line: str, folder: Path) -> None:
    words = shlex.split(line)
    program = [sys.executable] if words[0] == "python" else [sys.executable, "-m", "twentywatts"]
    no_counter = 1  # what `doctor` answers on a machine where nothing can be measured
    run(folder, [*program, *words[1:]], allowed=(0, no_counter) if words[1] == "doctor" else (0,))


@pytest.mark.parametrize(("page", "program"), blocks("python"))
def test_programs_run(page: str, program: str, folder: Path) -> None:
    assert run(folder, [sys.executable, "-c", program])


def test_links_between_pages_lead_somewhere() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.relative_to(ROOT)} → {target}"


def test_a_program_in_the_examples_is_short_and_runs(folder: Path) -> None:
    for path in sorted((ROOT / "examples").glob("*.py")):
        assert len(path.read_text().splitlines()) <= 80, path.name
        run(folder, [sys.executable, f"examples/{path.name}"])
