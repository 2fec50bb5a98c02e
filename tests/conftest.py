"""What holds for all tests."""

import copy
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.internal.conjecture import providers

from twentywatts.cli import progress

# these machines are shared: how long an example takes says nothing about it; the same examples are drawn each time, but
# where someone looks for new ones: TWENTYWATTS_EXPLORE=1 pytest
settings.register_profile(
    "shared",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=not os.environ.get("TWENTYWATTS_EXPLORE"),
)
settings.load_profile("shared")
if not os.environ.get("TWENTYWATTS_EXPLORE") and hasattr(providers, "_get_local_constants"):
    # constants from the modules that are loaded so far would differ with what ran before in the same process
    _NO_CONSTANTS = providers.Constants()
    providers._get_local_constants = lambda: _NO_CONSTANTS

# read when onnxruntime is loaded: no test of ours reports to its maker
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

progress._QUIET_S = 600.0  # no command shows how far it is because the machine is slow

# in the background (nohup, a script's &) some signals are ignored, and so they would be in every process started here
for _name, _handler in {
    "SIGINT": signal.default_int_handler,
    "SIGHUP": signal.SIG_DFL,
    "SIGQUIT": signal.SIG_DFL,
}.items():
    _number = getattr(signal, _name, None)
    if _number is not None and signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _handler)


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of train.npz and test.npz of the bundled digits network, for tests to read."""
    from tests.support.commands import program

    folder = tmp_path_factory.mktemp("digits")
    program(Path(__file__).parents[1] / "examples" / "digits_data.py", folder, cwd=folder)
    return folder


_AS_IMPORTED: dict[str, dict[str, Any]] = {}  # module: its generators' states by name, before its first test


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Draw the same numbers in every test, whichever ran before it in the same process."""
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)
    module = getattr(item, "module", None)
    held = {name: one for name, one in vars(module).items() if isinstance(one, np.random.Generator)} if module else {}
    states = _AS_IMPORTED.setdefault(
        getattr(module, "__file__", ""), {name: copy.deepcopy(one.bit_generator.state) for name, one in held.items()}
    )
    for name, state in states.items():
        held[name].bit_generator.state = state
