"""What holds for all tests."""

import os
import random
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

# these machines are shared: how long an example takes says nothing about it; a gate draws the same examples each time
settings.register_profile(
    "shared", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=bool(os.environ.get("CI"))
)
settings.load_profile("shared")

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


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Draw the same numbers in every test, whichever ran before it in the same process."""
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)
