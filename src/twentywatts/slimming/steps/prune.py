"""Structured pruning: fewer channels, neurons and heads, by which of them the weights say matter least."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import InputError, clean, nearest
from twentywatts.slimming.candidate import Candidate, Step
from twentywatts.slimming.cutting.coupling import Coupling, Group, coupled
from twentywatts.slimming.cutting.cut import cut

__all__ = [
    "Importance",
    "Ratio",
    "atoms_of",
    "check_names",
    "check_share",
    "chosen",
    "chosen_settings",
    "importances",
    "prune",
    "prune_to",
    "prune_units",
    "widths",
    "without",
]

Importance = str | Mapping[str, NDArray[Any]]
Ratio = float | Mapping[str, float]
_ROUND_TO = 8
_WAYS = ("magnitude", "first")


def prune(
    candidate: Candidate,
    *,
    ratio: Ratio,
    round_to: int = _ROUND_TO,
    importance: Importance = "magnitude",
    scope: str = "group",
    through_norms: bool = False,
) -> Candidate:
    """Return the candidate with the least important units of each group gone.

    ratio: share of units to take [0..1), for all groups or by name (others stay). round_to: every cut axis keeps a
    multiple of so many positions; a group that cannot be is left whole. importance: ``magnitude`` (root of the squares
    of a unit's weights, each constant weighing the same), ``first`` (the first units stay), or a score for every
    weight by name of the constant, in its shape, such as |weight times gradient|. scope: ``group`` takes the share of
    every group, ``global`` takes it of all units ranked together. through_norms: cut the width of a transformer too,
    whose channels share the mean of a LayerNormalization (see ``coupled``).
    Raises InputError for a ratio, a name or a scope that cannot be used. What is left whole is named in the step.
    """
    coupling = coupled(candidate.content, through_norms=through_norms)
    gone = chosen(coupling, ratio=ratio, round_to=round_to, importance=importance, scope=scope)
    settings = chosen_settings(ratio=ratio, round_to=round_to, importance=importance, through_norms=through_norms)
    return without(candidate, coupling, gone, settings={**settings, "scope": scope})


def chosen(
    coupling: Coupling, *, ratio: Ratio, round_to: int, importance: Importance, scope: str = "group"
) -> dict[str, list[int]]:
    """Return the units of each group that go; see ``prune``."""
    kept = _kept_counts(coupling, ratio, round_to=round_to, importance=importance, scope=scope)
    return _least(coupling, kept, importance)


def chosen_settings(
    *, ratio: Ratio, round_to: int, importance: Importance, through_norms: bool
) -> dict[str, int | float | str | bool]:
    """Return what the step says of how the units were chosen."""
    return {
        "ratio": _share_text(ratio),
        "round_to": round_to,
        "importance": importance if isinstance(importance, str) else "given",
        **({"through_norms": True} if through_norms else {}),
    }


def prune_to(
    candidate: Candidate,
    kept: Mapping[str, int],
    *,
    importance: Importance = "magnitude",
    through_norms: bool = False,
) -> Candidate:
    """Return the candidate with exactly ``kept`` units of each named group; raises InputError for a wrong name."""
    coupling = coupled(candidate.content, through_norms=through_norms)
    check_names(coupling, kept)
    for name, count in kept.items():
        most = coupling.group(name).unit_count
        if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= most:
            raise InputError(f"group '{clean(name)}' keeps 1 to {most} units, not {clean(count)}")
    way = importance if isinstance(importance, str) else "given"
    settings: dict[str, Any] = {"importance": way, **({"through_norms": True} if through_norms else {})}
    return without(candidate, coupling, _least(coupling, kept, importance), settings=settings)


def prune_units(
    candidate: Candidate, gone: Mapping[str, Sequence[int]], *, settings: Mapping[str, Any] | None = None
) -> Candidate:
    """Return the candidate without the units ``gone``, by number, of each named group; raises InputError.

    settings: what the step says of how they were chosen.
    """
    coupling = coupled(candidate.content)
    check_names(coupling, gone)
    for name, units in gone.items():
        count = coupling.group(name).unit_count
        if len(set(units)) >= count or not set(units) <= set(range(count)):
            raise InputError(f"of group '{clean(name)}' some of the units 0 to {count - 1} can go, not all of them")
    return without(candidate, coupling, gone, settings=settings or {})


def widths(content: bytes, *, through_norms: bool = False) -> dict[str, int]:
    """Return how many units each group of a model has."""
    return {group.name: group.unit_count for group in coupled(content, through_norms=through_norms).groups}


def importances(coupling: Coupling, group: Group, importance: Importance = "magnitude") -> NDArray[np.float64]:
    """Return the score of every unit of a group, shape (units,), its mean one; more matters more.

    Each constant counts alike, whatever its size and scale, so that a wide reader does not drown a normalisation.
    """
    if importance == "first":
        return np.linspace(2.0, 0.0, group.unit_count)
    total = np.zeros(group.unit_count)
    for site in group.sites:
        value = _scores(coupling, site.tensor, importance)
        if value is None:
            continue
        along = np.moveaxis(value, site.axis, 0).reshape(value.shape[site.axis], -1).sum(axis=1)
        own = along[site.positions].sum(axis=1)
        mean = float(own.mean())
        if np.isfinite(mean) and mean > 0:
            total += own / mean
    total = np.sqrt(np.nan_to_num(total))
    mean = float(total.mean())
    return total / mean if mean > 0 else np.ones(group.unit_count)


def _scores(coupling: Coupling, tensor: str, importance: Importance) -> NDArray[np.float64] | None:
    weight = coupling.settled.first.weights[tensor]
    if importance == "magnitude":
        if not weight.dtype.startswith("float"):
            return None
        return np.square(weight.read().astype(np.float64))
    if isinstance(importance, str):
        raise InputError(f"importance is one of {', '.join(_WAYS)}, or a score by weight, not '{clean(importance)}'")
    given = importance.get(tensor)
    if given is None:
        return None
    if np.shape(given) != weight.shape:
        raise InputError(f"the scores of '{clean(tensor)}' have shape {np.shape(given)}, the weight {weight.shape}")
    return np.abs(np.asarray(given, dtype=np.float64))


def _kept_counts(
    coupling: Coupling, ratio: Ratio, *, round_to: int, importance: Importance, scope: str
) -> dict[str, int]:
    if scope not in ("group", "global"):
        raise InputError(f"scope is 'group' or 'global', not '{clean(scope)}'")
    if not isinstance(round_to, int) or not 1 <= round_to <= 4096:
        raise InputError(f"round_to is a whole number from 1 to 4096, not {clean(round_to)}")
    check_share(ratio)
    shares = dict(ratio) if isinstance(ratio, Mapping) else {group.name: ratio for group in coupling.groups}
    check_names(coupling, shares)
    if scope == "global":
        shares = _ranked(coupling, shares, importance)
    return {name: _rounded(coupling.group(name), share, round_to) for name, share in shares.items()}


def check_share(ratio: Ratio) -> None:
    """Raise InputError unless ``ratio`` is one share from 0 to below 1, or one by name."""
    for share in ratio.values() if isinstance(ratio, Mapping) else (ratio,):
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < 1:
            raise InputError(f"ratio is a share from 0 to below 1, not {clean(ratio)}")


def _rounded(group: Group, share: float, round_to: int) -> int:
    """Return how many units stay: a multiple of the group's step next to the share, at least one step."""
    step = group.step(round_to)
    wanted = max(1, round(group.unit_count * (1 - share) / step)) * step
    return min(wanted, group.unit_count)


def _ranked(coupling: Coupling, shares: Mapping[str, float], importance: Importance) -> dict[str, float]:
    """Return each group's share where the groups' units are ranked together and the mean share of them is taken."""
    scores = {name: importances(coupling, coupling.group(name), importance) for name in shares}
    taken = round(sum(share * len(scores[name]) for name, share in shares.items()))
    owners = np.repeat(np.arange(len(scores)), [len(score) for score in scores.values()])
    least = np.argsort(np.concatenate([np.zeros(0), *scores.values()]), kind="stable")[:taken]
    counts = np.bincount(owners[least], minlength=len(scores))
    return {name: int(count) / len(scores[name]) for name, count in zip(scores, counts, strict=True)}


def _least(coupling: Coupling, kept: Mapping[str, int], importance: Importance) -> dict[str, list[int]]:
    """Return the units of each group that matter least, so many that ``kept`` stay."""
    gone = {}
    for name, count in kept.items():
        order = np.argsort(-importances(coupling, coupling.group(name), importance), kind="stable")
        gone[name] = sorted(order[count:].tolist())
    return gone


def without(
    candidate: Candidate, coupling: Coupling, gone: Mapping[str, Sequence[int]], *, settings: Mapping[str, Any]
) -> Candidate:
    """Return the candidate without units of its groups; the step says the widths, and what was left whole."""
    cuts = {name: coupling.group(name).unit_count - len(set(units)) for name, units in gone.items() if len(units)}
    settings = {**settings, "widths": json.dumps(cuts, separators=(",", ":"))}
    step = Step(name="prune", settings=settings, notes=_notes(coupling, cuts))
    return candidate.then(step, cut(coupling, atoms_of(coupling, gone)))


def _notes(coupling: Coupling, cuts: Mapping[str, int]) -> tuple[str, ...]:
    done = [f"{name}: {coupling.group(name).unit_count} → {count}" for name, count in cuts.items()]
    left = [f"left as it is: {name} ({why})" for name, why in coupling.left.items()]
    return tuple(clean(note) for note in (*(done or ["no group could be made narrower"]), *left))


def atoms_of(coupling: Coupling, gone: Mapping[str, Sequence[int]]) -> NDArray[np.int64]:
    """Return the sets of atoms that units of groups are."""
    parts = [coupling.group(name).atoms[list(units)] for name, units in gone.items() if len(units)]
    return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)


def check_names(coupling: Coupling, names: Mapping[str, Any]) -> None:
    """Raise InputError for a name that is no group of the model."""
    known = [group.name for group in coupling.groups]
    for name in names:
        if name not in known:
            have = ", ".join(known[:12]) or "none"
            raise InputError(
                f"the model has no group '{clean(name)}'{nearest(str(name), known)}; it has: {clean(have)}"
            )


def _share_text(ratio: Ratio) -> float | str:
    return json.dumps(dict(ratio)) if isinstance(ratio, Mapping) else float(ratio)
