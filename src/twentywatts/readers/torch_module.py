"""torch models: an ``nn.Module``, an ``ExportedProgram`` or its ``.pt2`` file goes through torch's export to ONNX.

Nothing is unpickled: an object is the caller's, and a ``.pt2`` file is cleaned of pickles first (readers/exported).
"""

from __future__ import annotations

import io
import logging
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, Protocol

from twentywatts import plugins
from twentywatts.errors import InputError, MissingExtraError, ModelError, clean
from twentywatts.readers.given_names import PREFIX

__all__ = ["TorchModel", "example_of", "is_torch_model", "model_file", "module_arguments"]

_PAIR = 2  # samples of the trace: one alone would be taken for a fixed size


class TorchModel(Protocol):
    """A torch.nn.Module, or a torch.export.ExportedProgram."""

    def named_parameters(self) -> Any:
        """Return the weights by name; both kinds have it."""
        ...


def is_torch_model(model: object) -> bool:
    """Tell whether ``model`` is a live torch module or exported program; torch is not imported to find out."""
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "nn"):
        return False
    exported = sys.modules.get("torch.export")
    return isinstance(model, torch.nn.Module) or (exported is not None and isinstance(model, exported.ExportedProgram))


@contextmanager
def model_file(model: object, *, example: object = None) -> Iterator[Path]:
    """Yield the path of a model: the one that was given, or of an ONNX file that a torch model was written to.

    example: inputs that the module can be called with (an array or tensor, a tuple of them, or arrays by name of
    forward's arguments), samples first; a module that says its own (``example_input_array``) needs none.
    Raises InputError for what is neither, ModelError naming the reason for a module that cannot be traced or a .pt2
    file that is not known to be harmless.
    """
    name = clean(type(model).__name__)
    if isinstance(model, (str, Path)):
        if not _is_exported(Path(model)):
            yield Path(model)
            return
        name = Path(model).name
        model = _loaded(Path(model))
    if not is_torch_model(model):
        raise InputError(
            "a model is the path of an ONNX or .pt2 file, or a live torch module, not an object of type "
            f"{type(model).__name__}"
        )
    with tempfile.TemporaryDirectory(prefix=PREFIX) as folder:
        path = Path(folder) / f"{name}.onnx"
        program = _exported(model, example)
        _name_layers(program.model)
        program.save(path)
        yield path


def _is_exported(path: Path) -> bool:
    """Tell whether a file is torch's exported program by its ending, which a plug-in may claim."""
    return path.suffix.lower() == ".pt2" and plugins.find("readers", "pt2") is None


def _loaded(path: Path) -> Any:
    from twentywatts.readers.exported import load_program

    with quiet():
        return load_program(path)


def _exported(model: Any, example: object) -> Any:
    """Return torch's ONNX program of a model, with an open batch axis where the module allows one."""
    import torch

    try:
        import onnxscript  # noqa: F401
    except ImportError:
        raise MissingExtraError("onnxscript", "torch") from None
    if isinstance(model, torch.export.ExportedProgram):
        return _attempt([lambda: torch.onnx.export(model, dynamo=True, verbose=False)], model)
    arguments = _arguments(model, example)
    if not all(len(x) for x in arguments):
        raise InputError("the example inputs of a module need at least one sample each")
    pairs = tuple(x[:1].repeat_interleave(_PAIR, dim=0) for x in arguments)
    batch = torch.export.Dim("batch")
    shapes = tuple({0: batch} for _ in pairs)
    with _resting(model), torch.no_grad():
        return _attempt(
            [
                lambda: torch.onnx.export(model, pairs, dynamo=True, dynamic_shapes=shapes, verbose=False),
                lambda: torch.onnx.export(model, tuple(x[:1] for x in pairs), dynamo=True, verbose=False),
            ],
            model,
        )


def _attempt(ways: list[Any], model: object) -> Any:
    """Return the first export that succeeds; raises ModelError with the first reason where none does."""
    reasons = []
    for way in ways:
        try:
            with quiet():
                return way()
        except Exception as error:
            reasons.append(_reason(error))
            if "data-dependent" in reasons[-1]:
                break  # no fixed batch helps against that
    raise ModelError(
        f"{type(model).__name__} cannot be traced by torch.export: {reasons[0]} (control flow must not hang on values; "
        "give example inputs of the right shape and type)"
    )


def _reason(error: BaseException) -> str:
    """Return the innermost cause in one line: torch wraps it in advice and stack traces."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return clean(f"{type(error).__name__}: {lines[0][:200] if lines else 'no reason given'}")


def _arguments(model: Any, example: object) -> tuple[Any, ...]:
    """Return the example inputs as tensors in the order of forward's arguments."""
    import torch

    given = getattr(model, "example_input_array", None) if example is None else example
    if given is None:
        raise InputError(
            f"{type(model).__name__} is a live module: its input's shape is needed, give example=array with samples "
            "first"
        )
    if isinstance(given, Mapping):
        given = _by_name(model, given)
    given = tuple(given) if isinstance(given, (tuple, list)) else (given,)
    try:
        return tuple(torch.as_tensor(x) for x in given)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"the example inputs are not arrays of numbers: {clean(error)}") from None


def _by_name(model: Any, arrays: Mapping[str, Any]) -> tuple[Any, ...]:
    names = _argument_names(model)
    if len(names) == 1 and names[0] not in arrays and "x" in arrays:
        return (arrays["x"],)
    found = [name for name in names if name in arrays]
    if not found:
        raise InputError(f"no array for the inputs {', '.join(names)} of {type(model).__name__}; {clean(list(arrays))}")
    return tuple(arrays[name] for name in found)


def module_arguments(model: object, data: str | Path, *, count: int) -> tuple[Any, ...]:
    """Return the first ``count`` samples of a data file as the tensors that a live module is called with."""
    return _arguments(model, example_of(model, data, count=count))


def example_of(model: object, data: str | Path, *, count: int = _PAIR) -> object:
    """Return the first samples of a data file by name for a live module, None for anything that needs none."""
    if not is_torch_model(model) or not hasattr(model, "forward"):
        return None
    from twentywatts.readers.samples import first_samples

    arrays = first_samples(data, {"x", *_argument_names(model)}, count=count)
    is_indexed = any(type(part).__name__.startswith("Embedding") for part in model.modules())  # type: ignore[attr-defined]
    return {name: x if is_indexed and x.dtype.kind in "iu" else x.astype("float32") for name, x in arrays.items()}


def _argument_names(model: Any) -> list[str]:
    """Return the names of forward's arguments."""
    import inspect

    return [name for name in inspect.signature(model.forward).parameters if name not in ("args", "kwargs")]


@contextmanager
def _resting(model: Any) -> Iterator[None]:
    """Put a module and its parts into evaluation mode, and back into what each of them was."""
    modes = [(part, part.training) for part in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for part, training in modes:
            part.training = training


@contextmanager
def quiet() -> Iterator[None]:
    """Keep torch's advice about exporting, and the programs that it prints on failure, off the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    nowhere = io.StringIO()
    try:
        with warnings.catch_warnings(), redirect_stdout(nowhere), redirect_stderr(nowhere):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def _name_layers(model: Any) -> None:
    """Give nodes the names of the modules that they come from, so that errors name what the author knows."""
    import ast

    taken: dict[str, int] = {}
    for node in model.graph:
        scopes = ast.literal_eval(node.metadata_props.get("pkg.torch.onnx.name_scopes", "[]"))
        inside = [scope for scope in scopes[:-1] if scope]
        name = inside[-1] if inside else (node.name or node.op_type)
        taken[name] = taken.get(name, 0) + 1
        node.name = name if taken[name] == 1 else f"{name}#{taken[name]}"
