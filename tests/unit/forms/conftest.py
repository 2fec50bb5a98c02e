"""Gives the tests of forms their small models."""

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest


@pytest.fixture(scope="session")
def models() -> ModuleType:
    """Return the module that makes small models."""
    spec = importlib.util.spec_from_file_location("form_models", Path(__file__).with_name("models.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
