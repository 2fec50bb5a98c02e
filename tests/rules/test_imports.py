"""Imports point one way, and the start is light."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from tests.support.repository import PACKAGE, ROOT, offenders, tree_of

HEAVY = "numpy rich onnx onnxruntime torch numba plotly scipy sklearn pandas matplotlib".split()
LIGHT_MODULES = "errors plugins units uncertain figures scenario ledger network workload machines readers".split()


def test_the_layers_hold(capfd: pytest.CaptureFixture[str]) -> None:
    cli = pytest.importorskip("importlinter.cli")
    code = cli.lint_imports(config_filename=str(ROOT / "pyproject.toml"), no_cache=True)
    assert code == 0, capfd.readouterr().out


def test_onnxruntime_is_loaded_in_one_place_which_tells_it_to_report_to_nobody() -> None:
    def loads(path: Path) -> list[str]:
        statements = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Import | ast.ImportFrom)]
        return [found for node in statements if (found := ast.unparse(node)).split()[1].startswith("onnxruntime")]

    assert not offenders(PACKAGE.rglob("*.py"), loads)


def _loaded(code: str) -> set[str]:
    """Return which heavy libraries are loaded after ``code`` ran in a fresh interpreter."""
    code += f"\nimport sys; print('LOADED', *(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.rpartition("LOADED")[2].split())


def test_the_package_loads_the_standard_library_alone() -> None:
    assert _loaded("import twentywatts; dir(twentywatts)") == set()


def test_the_command_starts_with_the_standard_library_alone() -> None:
    pytest.importorskip("twentywatts.cli")
    code = "from twentywatts.cli import main\ntry: main(['{0}--help'])\nexcept SystemExit: pass"
    assert _loaded(code.format("")) == set()
    for verb in ("machines", "count", "compare", "plan", "cite"):
        assert _loaded(code.format(f"{verb}', '")) == set(), verb


@pytest.mark.parametrize("module", LIGHT_MODULES)
def test_what_describes_needs_no_numpy_until_it_computes(module: str) -> None:
    assert _loaded(f"import twentywatts.{module}") == set()


def test_a_machine_is_read_without_numpy() -> None:
    assert _loaded("import twentywatts as tw; tw.machine('loihi')") == set()


def test_a_price_needs_numpy_and_nothing_else() -> None:
    code = (
        "import twentywatts as tw\nfrom twentywatts.price import price\n"
        "from twentywatts.workload import BrainWorkload\n"
        "price(BrainWorkload(time_s=1.0), tw.machine('human-brain'), tw.Scenario())"
    )
    assert _loaded(code) == {"numpy"}


def test_what_is_computed_from_figures_alone_needs_no_laboratory() -> None:
    """Verbs that run no model work where numpy and rich alone are installed."""
    lines = (
        "estimate llama-3.1-8b --on h100-sxm --batch 8",
        "slim gpt2 --on t4x1 --requests 1",
        "plan training --params 7e9 --tokens 1e12 --on h100-sxm",
        "plan equivalents 41GWh",
        "audit --text 20W",
        "machines show loihi",
    )
    calls = "\n".join(f"assert main({line.split()!r}) == 0" for line in lines)
    assert _loaded(f"from twentywatts.cli import main\n{calls}") == {"numpy", "rich"}
