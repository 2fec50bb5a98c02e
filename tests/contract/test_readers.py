"""The ONNX reader keeps the contract on real architectures; the contract finds what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.repository import ROOT

from twentywatts.errors import ModelError
from twentywatts.network import Network
from twentywatts.testing import check_reader

onnx = pytest.importorskip("onnx")
MODEL = ROOT / "examples" / "digits.onnx"


@pytest.fixture(scope="module")
def read() -> Any:
    from twentywatts.readers.onnx import read

    return read


def test_the_onnx_reader_keeps_the_contract(read: Any) -> None:
    network = check_reader(read, MODEL, mutations=100)
    assert network.layers


@pytest.mark.parametrize("name", ["light_squeezenet.onnx", "light_shufflenet.onnx"])
def test_it_does_so_on_published_architectures(read: Any, name: str) -> None:
    check_reader(read, Path(onnx.__file__).parent / "backend" / "test" / "data" / "light" / name, mutations=20)


Spoil = Callable[[Network], Any]
SPOILED: dict[str, tuple[Spoil, str]] = {
    "not a network": (lambda network: "network", "returns a Network"),
    "layers in any order": (lambda n: replace(n, layers=n.layers[::-1]), "comes after what it reads"),
    "no inputs": (lambda network: replace(network, inputs=()), "inputs and outputs"),
    "a name twice": (lambda n: replace(n, layers=n.layers + n.layers[:1]), "each once"),
    "an unknown that is none": (lambda network: replace(network, unknown={"nothing": "x"}), "is a layer"),
}


@pytest.mark.parametrize("case", SPOILED)
def test_the_contract_finds_what_is_wrong(read: Any, case: str) -> None:
    spoil, words = SPOILED[case]
    with pytest.raises(AssertionError, match=words):
        check_reader(lambda path, **given: spoil(read(path, **given)), MODEL, mutations=0)


def test_a_reader_that_lets_a_bare_exception_through_is_found(read: Any) -> None:
    def careless(path: Path, **given: Any) -> Network:
        if not path.read_bytes():
            raise ModelError("empty")
        network: Network = read(path, **given)
        return network

    with pytest.raises(AssertionError, match="a missing file must be a ModelError, not FileNotFoundError"):
        check_reader(careless, MODEL)
