"""The recipe of a slimmed model: with the model as given and the weights, it makes the same file again, bit for bit.

Only what changes shapes is done again (folding, blocks, widths, ranks); what training changed comes with the weights.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import InputError, ModelError, clean
from twentywatts.slimming.candidate import PREPARED, UNTIED, Candidate, Step
from twentywatts.slimming.cutting.settle import serialised

__all__ = ["SCHEMA", "read_recipe", "rebuilt", "recipe_of", "weights_of"]

SCHEMA = "twentywatts.recipe/1"
_PREPARED_SAID = (
    "onnxruntime prepared the graph before it was trained for int8, and its releases may do that otherwise: the model "
    "itself is what ships"
)
_MAX_BYTES = 2**24
_MAX_STEPS = 1000
_FLOATS = ("float16", "float32", "float64")

Weights = Mapping[str, NDArray[Any]]


def recipe_of(original: bytes, candidate: Candidate) -> dict[str, Any]:
    """Return the recipe of a float candidate: its steps, what they did to shapes, and digests of both ends.

    ``rebuilds`` says whether ``rebuilt`` has made the same bytes of it here and now.
    """
    import onnx

    recipe: dict[str, Any] = {
        "schema": SCHEMA,
        "original_sha256": hashlib.sha256(original).hexdigest(),
        "result_sha256": candidate.digest,
        "steps": [_record(step) for step in candidate.steps],
        "structure": [change for step in candidate.steps if (change := _change(step))],
        "shapes": {name: list(array.shape) for name, array in weights_of(candidate.content).items()},
        "written_with": {"onnx": onnx.__version__},
    }
    try:
        rebuilt(original, recipe, weights_of(candidate.content))
        recipe["rebuilds"] = True
    except (InputError, ModelError) as error:
        is_prepared = any(step.settings.get(PREPARED) for step in candidate.steps)
        recipe["rebuilds"], recipe["why_not"] = False, _PREPARED_SAID if is_prepared else clean(error)
    return recipe


def rebuilt(original: bytes, recipe: Mapping[str, Any], weights: Weights) -> bytes:
    """Return the slimmed model, bit for bit.

    original: the ONNX model as it was given. recipe: see ``recipe_of``. weights: the float constants by name.
    Raises InputError for a recipe that is not one, for another model than it was written for, for weights that do not
    fit, and where the result is not the same (another release of onnx may write a model otherwise).
    """
    recipe = _checked(recipe)
    if hashlib.sha256(original).hexdigest() != recipe["original_sha256"]:
        raise InputError("this recipe is for another model than the one that was given")
    candidate = Candidate(content=original)
    for change in recipe["structure"]:
        candidate = _CHANGES[change["name"]](candidate, change)
    content = _with_weights(candidate.content, weights)
    if hashlib.sha256(content).hexdigest() != recipe["result_sha256"]:
        with_onnx = clean(recipe.get("written_with", {}).get("onnx", "unknown"))
        raise InputError(f"the rebuilt model is not the one of the recipe (it was written with onnx {with_onnx})")
    return content


def read_recipe(path: str | Path) -> dict[str, Any]:
    """Return the recipe in a file; raises InputError for a file that holds none."""
    path = Path(path)
    try:
        if path.stat().st_size > _MAX_BYTES or not path.is_file():
            raise InputError(f"'{clean(path)}' is no file, or has more than {_MAX_BYTES:,} bytes: it is not a recipe")
        return _checked(json.loads(path.read_bytes()))
    except OSError as error:
        raise InputError(f"'{clean(path)}' cannot be read: {error.strerror or error}") from None
    except (ValueError, RecursionError):
        raise InputError(f"'{clean(path)}' is not a JSON file") from None


def weights_of(content: bytes) -> dict[str, NDArray[Any]]:
    """Return the float constants of an ONNX model by name, those among them that are made by nodes."""
    import onnx
    from onnx import numpy_helper

    model = onnx.ModelProto.FromString(content)
    arrays = {name: numpy_helper.to_array(tensor) for name, tensor in _constants(model)}
    return {name: np.asarray(array) for name, array in arrays.items() if array.dtype.name in _FLOATS}


def _constants(model: Any) -> list[tuple[str, Any]]:
    """Return the stored tensors of a model with their names; a constant of a node is named as what it makes."""
    made = [
        (node.output[0], item.t)
        for node in model.graph.node
        for item in node.attribute
        if node.op_type == "Constant" and item.name == "value"
    ]
    return [*((tensor.name, tensor) for tensor in model.graph.initializer), *made]


def _record(step: Step) -> dict[str, Any]:
    return {"name": step.name, "settings": dict(step.settings), "seed": step.seed, "notes": list(step.notes)}


def _change(step: Step) -> dict[str, Any] | None:
    """Return what a step does to the graph, None where it changes values alone."""
    if step.name == "fold":
        return {"name": "fold"}
    if step.settings.get(UNTIED):
        return {"name": UNTIED}
    for key in ("blocks", "widths", "ranks"):
        if key in step.settings:
            change = {"name": key, key: _settled(key, step)}
            return {**change, "through_norms": True} if step.settings.get("through_norms") else change
    return None


def _settled(key: str, step: Step) -> Any:
    try:
        return json.loads(str(step.settings[key]))
    except (ValueError, RecursionError):  # a log that was tampered with
        raise InputError(f"the step {clean(step.name)[:40]} does not say its {key}") from None


def _checked(recipe: Any) -> dict[str, Any]:
    """Return a recipe that has all its parts; raises InputError."""
    if not isinstance(recipe, Mapping) or recipe.get("schema") != SCHEMA:
        raise InputError(f"this is not a recipe of {SCHEMA}")
    changes = recipe.get("structure")
    if not isinstance(changes, list) or len(changes) > _MAX_STEPS:
        raise InputError(f"a recipe's structure is a list of at most {_MAX_STEPS} changes")
    for change in changes:
        if not isinstance(change, Mapping) or not isinstance(name := change.get("name"), str) or name not in _CHANGES:
            raise InputError(f"a recipe knows the changes {', '.join(_CHANGES)}, not {clean(change)[:80]}")
        if name == "blocks" and not _is_names(change.get(name)):
            raise InputError("the change 'blocks' of a recipe is a list of names")
        if name in ("widths", "ranks") and not _is_counts(change.get(name)):
            raise InputError(f"the change '{name}' of a recipe says a whole number of at least 1 for each layer")
    for key in ("original_sha256", "result_sha256"):
        if not isinstance(recipe.get(key), str):
            raise InputError(f"a recipe has '{key}'")
    if not isinstance(recipe.get("written_with", {}), Mapping):
        raise InputError("a recipe's 'written_with' says versions by name")
    return dict(recipe)


def _is_counts(value: Any) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(count, int) and not isinstance(count, bool) and count >= 1 for count in value.values()
    )


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _folded(candidate: Candidate, change: Mapping[str, Any]) -> Candidate:
    from twentywatts.slimming.steps.fold import fold

    return fold(candidate)


def _parted(candidate: Candidate, change: Mapping[str, Any]) -> Candidate:
    from twentywatts.slimming.learning.trainable.untie import untied

    return Candidate(content=untied(candidate.content))


def _shallower(candidate: Candidate, change: Mapping[str, Any]) -> Candidate:
    from twentywatts.slimming.steps.depth import without_blocks

    return without_blocks(candidate, change["blocks"])


def _narrowed(candidate: Candidate, change: Mapping[str, Any]) -> Candidate:
    from twentywatts.slimming.steps.prune import prune_to

    is_wide = change.get("through_norms") is True
    # which units stay is in the weights
    return prune_to(candidate, change["widths"], importance="first", through_norms=is_wide)


def _factored(candidate: Candidate, change: Mapping[str, Any]) -> Candidate:
    from twentywatts.slimming.steps.lowrank import lowrank_to

    return lowrank_to(candidate, change["ranks"])


_CHANGES: dict[str, Callable[[Candidate, Mapping[str, Any]], Candidate]] = {
    "fold": _folded,
    UNTIED: _parted,
    "blocks": _shallower,
    "widths": _narrowed,
    "ranks": _factored,
}


def _with_weights(content: bytes, weights: Weights) -> bytes:
    """Return a model with its float constants replaced; raises InputError where one is missing or does not fit."""
    import onnx
    from onnx import numpy_helper

    model = onnx.ModelProto.FromString(content)
    has_changed = False
    for name, tensor in _constants(model):
        own = numpy_helper.to_array(tensor)
        if own.dtype.name not in _FLOATS:
            continue
        given = weights.get(name)
        if given is None or given.shape != own.shape or given.dtype != own.dtype:
            found = "none" if given is None else f"{given.dtype} {list(given.shape)}"
            raise InputError(f"'{clean(name)}' wants {own.dtype} {list(own.shape)}, the weights hold {found}")
        if given.tobytes() != own.tobytes():
            tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(given).reshape(own.shape), tensor.name))
            has_changed = True
    return serialised(model) if has_changed else content
