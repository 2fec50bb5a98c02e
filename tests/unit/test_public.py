"""The public surface: names, laziness, errors."""

from __future__ import annotations

import inspect
import subprocess
import sys
from importlib import metadata

import pytest

import twentywatts
from twentywatts import errors


def test_every_public_name_is_there() -> None:
    for name in twentywatts.__all__:
        assert getattr(twentywatts, name) is not None, name


def test_the_lazy_table_holds_the_public_names() -> None:
    assert {*twentywatts._PUBLIC, *twentywatts._ROOMS, "__version__"} == set(twentywatts.__all__)


def test_dir_lists_the_public_names() -> None:
    assert dir(twentywatts) == sorted(twentywatts.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'comparision'"):
        twentywatts.comparision  # noqa: B018
    assert not hasattr(twentywatts, "__wrapped__")


def test_from_import_works() -> None:
    from twentywatts import Scenario, machine

    assert machine("loihi").name == "loihi"
    assert Scenario().batch == 1


def test_a_name_is_loaded_when_it_is_used_and_kept() -> None:
    code = (
        "import sys, twentywatts as tw; before = 'twentywatts.scenario' in sys.modules\n"
        "one = tw.Scenario; print(before, 'twentywatts.scenario' in sys.modules, one is tw.Scenario)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "True", "True"]


def test_no_room_bears_the_name_of_a_public_function() -> None:
    for name in twentywatts.__all__:
        if inspect.isfunction(getattr(twentywatts, name)):
            with pytest.raises(ModuleNotFoundError):
                __import__(f"twentywatts.{name}")


def test_the_version_is_that_of_the_distribution() -> None:
    assert metadata.version("twentywatts") == twentywatts.__version__


def test_one_base_for_every_error() -> None:
    for name in errors.__all__:
        found = getattr(errors, name)
        if inspect.isclass(found):
            assert issubclass(found, twentywatts.TwentyWattsError), name
            assert f"{name}" in (errors.__doc__ or ""), f"{name} is missing in the tree at the top of errors.py"


def test_a_missing_extra_says_how_to_get_it() -> None:
    assert str(errors.MissingExtraError("onnx", "lab")) == "this needs onnx: pip install 'twentywatts[lab]'"


def test_nearest_suggests_or_stays_silent() -> None:
    assert errors.nearest("loihy", ["loihi", "odin"]) == " (did you mean 'loihi'?)"
    assert errors.nearest("zzzz", ["loihi", "odin"]) == ""
    assert errors.nearest("x", []) == ""
    assert errors.nearest("LOIHI", ["loihi", "odin"]) == " (did you mean 'loihi'?)"
    assert errors.nearest("brain", ["orin", "human-brain"]) == " (did you mean 'human-brain'?)"
