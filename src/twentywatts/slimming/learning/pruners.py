"""Other judges of what matters: Torch-Pruning behind our own protocol, and first-order scores from training samples.

Torch-Pruning says which channels go; they are cut here, by our own groups, so that nothing is cut that is not
understood. Source: Fang et al. 2023 (arXiv 2301.12900) for its groups; Molchanov et al. 2019 (arXiv 1906.10771) for
scores of weight times gradient.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import InputError, MissingExtraError, RefusedError, clean, nearest
from twentywatts.forms.runtime import first_line
from twentywatts.slimming.candidate import Candidate
from twentywatts.slimming.cutting.coupling import Coupling, Group, coupled
from twentywatts.slimming.steps.prune import Ratio, check_names, check_share, prune_units

if TYPE_CHECKING:
    from twentywatts.readers.samples import Samples
    from twentywatts.slimming.learning.trainable.module import GraphModule

__all__ = ["taylor_scores", "torch_pruning"]

_IMPORTANCES = {
    "magnitude": "GroupMagnitudeImportance",
    "normalisation": "BNScaleImportance",
    "lamp": "LAMPImportance",
    "random": "RandomImportance",
}
_BATCH = 64
_SAMPLES = 512


def torch_pruning(
    candidate: Candidate, *, ratio: Ratio, round_to: int = 8, importance: str = "magnitude", scope: str = "group"
) -> Candidate:
    """Return the candidate without the channels that Torch-Pruning finds least important.

    ratio, round_to, scope: see ``prune``. importance: ``magnitude`` (of groups), ``normalisation`` (the scales of
    BatchNormalization, so before folding), ``lamp`` or ``random``. What it proposes and we do not understand stays.
    Raises MissingExtraError without torch and torch-pruning, RefusedError where it cannot follow the model.
    """
    if importance not in _IMPORTANCES:
        known = ", ".join(_IMPORTANCES)
        raise InputError(f"importance is one of {known}, not '{clean(importance)}'{nearest(importance, _IMPORTANCES)}")
    if scope not in ("group", "global"):
        raise InputError(f"scope is 'group' or 'global', not '{clean(scope)}'")
    check_share(ratio)
    try:
        import torch
        import torch_pruning as library
    except ImportError:
        raise MissingExtraError("torch-pruning", "torch") from None
    from twentywatts.slimming.learning.trainable import trainable

    coupling = coupled(candidate.content)
    module = trainable(coupling.settled.content)
    if isinstance(ratio, Mapping):
        check_names(coupling, ratio)
    makers = _makers(module, coupling)
    cuttable = {id(layer) for layer, _, _ in makers}
    try:
        with warnings.catch_warnings(), torch.random.fork_rng():
            warnings.simplefilter("ignore")
            torch.manual_seed(0)
            pruner = library.pruner.BasePruner(
                module,
                (_example(coupling),),
                importance=getattr(library.pruner.importance, _IMPORTANCES[importance])(),
                global_pruning=scope == "global",
                round_to=round_to,
                ignored_layers=[layer for layer in module.layers.values() if id(layer) not in cuttable],
                **_shares(ratio, makers),
            )
            gone = _proposed(pruner, makers)
    except Exception as error:  # it raises what it likes
        raise RefusedError(f"Torch-Pruning cannot follow this model: {first_line(error)}") from None
    settings = {"pruner": f"torch-pruning {version('torch-pruning')}", "importance": importance, "scope": scope}
    settings |= {"ratio": str(ratio), "round_to": str(round_to)}
    return prune_units(
        candidate,
        {name: _whole(coupling, name, units, round_to) for name, units in gone.items()},
        settings=settings,
    )


def _shares(ratio: Ratio, makers: list[tuple[Any, Group, NDArray[np.int64]]]) -> dict[str, Any]:
    if not isinstance(ratio, Mapping):
        return {"pruning_ratio": ratio}
    shares = {layer: ratio[group.name] for layer, group, _ in makers if group.name in ratio}
    return {"pruning_ratio": 0.0, "pruning_ratio_dict": shares}


def _makers(module: GraphModule, coupling: Coupling) -> list[tuple[Any, Group, NDArray[np.int64]]]:
    """Return the torch layers that make a group's units, with the output channels of each unit."""
    owners = {name.rpartition(".")[0]: None for name, _ in module.named_parameters()}
    parts = {path: part for path, part in module.named_modules() if path in owners}
    found = []
    for group in coupling.groups:
        for site in group.sites:
            path, turned = module.slots.get(site.tensor, ("", False))
            layer = parts.get(path.rpartition(".")[0])
            is_matrix = path.endswith(".weight") and layer is not None and layer is not module
            if is_matrix and not site.is_read and site.axis == (1 if turned else 0):
                found.append((layer, group, site.positions))
    return found


def _example(coupling: Coupling) -> dict[str, Any]:
    """Return one batch of inputs: small whole numbers where the model wants indices."""
    import torch

    random = np.random.default_rng(0)
    example = {}
    for spec in coupling.settled.first.inputs:
        sizes = coupling.settled.sizes(spec.name)
        if sizes is None:
            raise RefusedError(f"the shape of the input '{clean(spec.name)}' is not known")
        values = random.normal(size=sizes[0]).astype(np.float32)
        if not spec.dtype.startswith("float"):
            values = np.zeros(sizes[0], dtype=np.int64 if spec.dtype == "int64" else np.int32)
        example[spec.name] = torch.from_numpy(np.ascontiguousarray(values))
    return example


def _proposed(pruner: Any, makers: list[tuple[Any, Group, NDArray[np.int64]]]) -> dict[str, set[int]]:
    """Return the units whose every output channel Torch-Pruning would take, by group; nothing is cut by it."""
    gone: dict[str, set[int]] = {}
    for proposal in pruner.step(interactive=True):
        for dependency, channels in proposal:
            for layer, group, positions in makers:
                is_made = "out" in getattr(dependency.handler, "__name__", "out")
                if dependency.target.module is layer and is_made:
                    units = np.flatnonzero(np.isin(positions, channels).all(axis=1))
                    gone.setdefault(group.name, set()).update(units.tolist())
    return gone


def _whole(coupling: Coupling, name: str, units: set[int], round_to: int) -> list[int]:
    """Return the units to take so that what stays is a multiple of the group's step, and never nothing."""
    group = coupling.group(name)
    step = group.step(round_to)
    kept = group.unit_count - len(units)
    kept = min(max(-(-kept // step) * step, step), group.unit_count)
    return sorted(units)[: group.unit_count - kept]


def taylor_scores(candidate: Candidate, samples: Samples) -> dict[str, NDArray[np.float64]]:
    """Return the square of weight times gradient for every weight by name, summed over batches of the samples.

    It is ``importance`` for ``prune``: what the loss against the given targets would change by, to first order, if the
    weight were zero. At most 512 samples are looked at. Raises MissingExtraError without torch, RefusedError naming a
    layer that torch cannot run, DataError for samples that do not fit.
    """
    try:
        import torch
    except ImportError:
        raise MissingExtraError("torch", "torch") from None
    from twentywatts.slimming.learning.distil import Schedule, check_finite
    from twentywatts.slimming.learning.trainable import trainable
    from twentywatts.slimming.learning.training.lesson import lesson_of

    check_finite(samples)
    content = coupled(candidate.content).settled.content
    module = trainable(content)
    few = samples.take(np.arange(min(samples.count, _SAMPLES)))
    lesson = lesson_of(module, content, few, schedule=Schedule(hard_frac=1.0))
    parameters = dict(module.named_parameters())
    slots = {name: (parameters[path], turned) for name, (path, turned) in module.slots.items() if path in parameters}
    scores = {name: np.zeros(_laid(weight, turned).shape) for name, (weight, turned) in slots.items()}
    for start in range(0, lesson.count, _BATCH):
        rows = torch.arange(start, min(start + _BATCH, lesson.count))
        module.zero_grad()
        lesson.error(module(lesson.taken(rows), lesson.names()), rows).backward()
        for name, (weight, turned) in slots.items():
            if weight.grad is not None:
                scores[name] += np.square(_laid(weight * weight.grad, turned), dtype=np.float64)
    return scores


def _laid(tensor: Any, turned: bool) -> NDArray[Any]:
    array = np.asarray(tensor.detach().cpu().numpy())
    return array.T if turned else array
