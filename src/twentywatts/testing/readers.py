"""The contract of a reader: a file becomes a Network, or one clear ModelError."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from twentywatts.errors import ModelError, TwentyWattsError
from twentywatts.network import Network
from twentywatts.testing._clauses import clause

__all__ = ["check_reader"]


class Reader(Protocol):
    """``read(path, batch=1, axes={})`` → Network."""

    def __call__(self, path: Path, *, batch: int, axes: Mapping[str, int]) -> Network:
        """Return the model in ``path``."""
        ...


def check_reader(read: Reader, good: Path, *, mutations: int = 50) -> Network:
    """Return the network of a ``good`` file; raises AssertionError for the first clause that does not hold.

    Layers stand in an order in which they can run; weights have the shape they declare; two reads agree. A missing,
    empty, cut or damaged file (``mutations`` of them, seeded) is a ModelError of one line, and nothing else.
    """
    network = read(good, batch=1, axes={})
    clause(isinstance(network, Network), f"a reader returns a Network, not {type(network).__name__}")
    clause(network.inputs and network.outputs, "a network has inputs and outputs")
    _check_order(network)
    for weight in network.weights.values():
        clause(weight.read().shape == weight.shape, f"weight '{weight.name}' has the shape it declares")
    again = read(good, batch=1, axes={})
    clause(
        (again.layers, again.inputs, again.outputs) == (network.layers, network.inputs, network.outputs),
        "two reads agree",
    )
    with tempfile.TemporaryDirectory() as folder:
        _check_bad_files(read, good, Path(folder), mutations)
    return network


def _check_order(network: Network) -> None:
    known = {spec.name for spec in network.inputs} | set(network.weights) | {""}
    for layer in network.layers:
        early = [name for name in layer.inputs if name not in known]
        clause(not early, f"layer '{layer.name}' comes after what it reads: {early}")
        known |= set(layer.outputs)
    names = [layer.name for layer in network.layers]
    clause(len(set(names)) == len(names), "layers have names, each once")
    clause(set(network.unknown) <= set(names), "what is unknown is a layer")
    clause({spec.name for spec in network.outputs} <= known, "every output is made by a layer")


def _check_bad_files(read: Reader, good: Path, folder: Path, mutations: int) -> None:
    content = good.read_bytes()
    path = folder / good.name
    _refuses(read, path, "a missing file")
    for what, bytes_ in (("an empty file", b""), ("a text", b"this is no model\n"), ("noise", bytes(range(256)) * 4)):
        path.write_bytes(bytes_)
        _refuses(read, path, what)
    generator = random.Random(20)
    for _ in range(mutations):
        path.write_bytes(_mutated(content, generator))
        try:
            read(path, batch=1, axes={})
        except TwentyWattsError:
            continue
        except Exception as error:
            raise AssertionError(f"a damaged file must be a ModelError, not {type(error).__name__}: {error}") from error


def _mutated(content: bytes, generator: random.Random) -> bytes:
    if generator.random() < 0.3:
        return content[: generator.randrange(len(content))]
    changed = bytearray(content)
    for _ in range(generator.randint(1, 8)):
        changed[generator.randrange(len(changed))] = generator.randrange(256)
    return bytes(changed)


def _refuses(read: Callable[..., Network], path: Path, what: str) -> None:
    try:
        read(path, batch=1, axes={})
    except ModelError as error:
        clause("\n" not in str(error) and str(error), f"{what} is refused in one line")
        return
    except Exception as error:
        raise AssertionError(f"{what} must be a ModelError, not {type(error).__name__}: {error}") from error
    raise AssertionError(f"{what} must be refused with a ModelError")
