"""Dialects: how a library steps the differential equations of NIR, as every choice that moves a spike.

NIR describes neurons in continuous time; simulators differ in the step, the leak, the input's gain, the reset, the
comparison with the threshold and in what a neuron may send in one step. docs/how/spiking-networks.md has the table,
bench/spike_parity.py compares every spike with the libraries themselves.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import InputError, nearest
from twentywatts.network_spiking import Emission, Neurons, Reset

__all__ = ["DIALECTS", "Dialect", "dialect_of", "neurons_of"]

Shape = tuple[int, ...]
Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How equations become steps.

    step_s: duration of a step in the unit of the file's time constants [s]. leak: ``euler`` keeps 1 − dt/τ of a state,
    ``exact`` exp(−dt/τ). gain: ``resistance`` multiplies the input by R dt/τ, ``one`` takes it as it is.
    timed_integrators: neurons without leak multiply it by R dt, otherwise by R; starts_reset: they start at v_reset
    instead of 0. reset: subtract, or to v_reset. strict: a spike needs V > threshold instead of ≥. delayed_reset:
    done in the next step. emission: one spike in a step, or
    many. loop_delay_steps: delay of recurrent connections that name none; None refuses them. unlike: node types that
    this library steps as no neuron here does.
    """

    step_s: float
    leak: str
    gain: str
    reset: Reset
    strict: bool
    emission: Emission = Emission.ONE
    delayed_reset: bool = False
    loop_delay_steps: int | None = 1
    timed_integrators: bool = False
    starts_reset: bool = False
    unlike: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        """Raise InputError for a step that cannot be."""
        if not (np.isfinite(self.step_s) and self.step_s > 0):
            raise InputError(f"the duration of a step must be above 0, got {self.step_s!r}")


DIALECTS: Mapping[str, Dialect] = {
    "nir": Dialect(
        step_s=1e-4,
        leak="euler",
        gain="resistance",
        reset=Reset.ZERO,
        strict=True,
        loop_delay_steps=None,
        timed_integrators=True,
    ),
    "snntorch": Dialect(
        step_s=1e-4, leak="euler", gain="resistance", reset=Reset.SUBTRACT, strict=True, delayed_reset=True
    ),
    "snntorch-zero": Dialect(
        step_s=1e-4,
        leak="euler",
        gain="resistance",
        reset=Reset.ZERO,
        strict=True,
        unlike=frozenset(("CubaLIF", "CubaLI")),
    ),
    "sinabs": Dialect(step_s=1.0, leak="exact", gain="one", reset=Reset.SUBTRACT, strict=False, emission=Emission.MANY),
    # Norse writes time constants times its own step of 1 ms: one step is 1e-6 in the file's unit
    "norse": Dialect(
        step_s=1e-6,
        leak="euler",
        gain="resistance",
        reset=Reset.ZERO,
        strict=True,
        unlike=frozenset(("CubaLIF", "CubaLI")),
    ),
    "spikingjelly": Dialect(
        step_s=1e-4,
        leak="euler",
        gain="resistance",
        reset=Reset.ZERO,
        strict=False,
        timed_integrators=True,
        starts_reset=True,
    ),
}


def dialect_of(name: str | Dialect) -> Dialect:
    """Return a dialect by name; raises InputError for an unknown one."""
    if isinstance(name, Dialect):
        return name
    if name not in DIALECTS:
        raise InputError(f"unknown dialect '{name}'{nearest(name, DIALECTS)}, wanted one of {', '.join(DIALECTS)}")
    return DIALECTS[name]


def neurons_of(name: str, node: Any, shape: Shape, dialect: Dialect) -> Neurons:
    """Return the neurons of a NIR node with ``shape``; raises InputError naming the node for values that cannot be."""
    kind = type(node).__name__
    if kind in dialect.unlike:
        raise InputError(
            f"node '{name}' ({kind}): this library steps neurons with a synaptic current as no neuron here does "
            "(Norse: the membrane before the current; snnTorch's reset to zero: it drops what arrives); use one "
            "without, or dialect='nir' with the exactness lost"
        )
    try:
        return _chosen(_BUILDERS[kind](node, shape, dialect), node)
    except InputError as error:
        raise InputError(f"node '{name}' ({kind}): {error}") from None


def _chosen(neurons: Neurons, node: Any) -> Neurons:
    """Return the neurons with the choices that this package wrote beside the node, where it did."""
    metadata = getattr(node, "metadata", None) or {}
    written = metadata.get("twentywatts") if isinstance(metadata, dict) else None
    if written is None:
        return neurons
    try:
        choices = json.loads(written)
        changes: dict[str, Any] = {
            "reset": Reset(choices["reset"]),
            "emission": Emission(choices["emission"]),
            "delayed_reset": bool(choices["delayed_reset"]),
            "strict": bool(choices["strict"]),
            "most_spikes": None if choices["most_spikes"] is None else int(choices["most_spikes"]),
        }
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(f"the metadata 'twentywatts' cannot be used ({type(error).__name__}: {error})") from None
    if "start" in metadata:
        start = np.asarray(metadata["start"])
        if start.dtype.kind not in "fiu":
            raise InputError("the metadata 'start' must be numbers")
        changes["start"] = start.reshape(neurons.shape) if start.size == neurons.count else start
    return replace(neurons, **changes)


def _fitted(node: Any, field: str, shape: Shape) -> Array:
    """Return a parameter of a node, reshaped to the neurons' shape where it holds one value for each."""
    array = np.asarray(getattr(node, field), dtype=np.float64)
    if not np.all(np.isfinite(array)):
        raise InputError(f"{field} holds NaN or infinity")
    if array.size == 1:
        return array.reshape(())
    if array.size == int(np.prod(shape)):
        return array.reshape(shape)
    raise InputError(f"{field} has shape {array.shape}, its neurons {shape}")


def _kept(node: Any, field: str, shape: Shape, dialect: Dialect) -> Array:
    """Return the share of a state that a step keeps."""
    tau = _fitted(node, field, shape)
    if np.any(tau <= 0):
        raise InputError(f"{field} must be above 0, got {tau.min():g}")
    kept = np.exp(-dialect.step_s / tau) if dialect.leak == "exact" else 1.0 - dialect.step_s / tau
    if np.any(kept < -1e-9):
        raise InputError(f"{field} of {tau.min():g} s is shorter than a step of {dialect.step_s:g} s: give step_s")
    return np.asarray(np.maximum(kept, 0.0))


def _gain(node: Any, field: str, shape: Shape, dialect: Dialect) -> Array:
    """Return by how much one unit of input moves the membrane in a step."""
    if dialect.gain == "one":
        return np.ones(())
    return _fitted(node, "r", shape) * dialect.step_s / _fitted(node, field, shape)


def _integrated(node: Any, shape: Shape, dialect: Dialect) -> Array:
    """Return the gain of neurons without leak."""
    if dialect.gain == "one":
        return np.ones(())
    return _fitted(node, "r", shape) * (dialect.step_s if dialect.timed_integrators else 1.0)


def _firing(node: Any, shape: Shape, dialect: Dialect) -> dict[str, Any]:
    return {
        "shape": shape,
        "threshold": _fitted(node, "v_threshold", shape),
        "reset": dialect.reset,
        "reset_value": _fitted(node, "v_reset", shape) if getattr(node, "v_reset", None) is not None else 0.0,
        "strict": dialect.strict,
        "emission": dialect.emission,
        "delayed_reset": dialect.delayed_reset and dialect.emission is Emission.ONE,
    }


def _integrate_and_fire(node: Any, shape: Shape, dialect: Dialect) -> Neurons:
    firing = _firing(node, shape, dialect)
    start = firing["reset_value"] if dialect.starts_reset else 0.0
    return Neurons(input_gain=_integrated(node, shape, dialect), start=start, **firing)


def _leaky(node: Any, shape: Shape, dialect: Dialect) -> Neurons:
    return Neurons(
        decay=_kept(node, "tau", shape, dialect),
        input_gain=_gain(node, "tau", shape, dialect),
        rest=_fitted(node, "v_leak", shape),
        start=_fitted(node, "v_leak", shape),
        **_firing(node, shape, dialect),
    )


def _current_based(node: Any, shape: Shape, dialect: Dialect) -> dict[str, Any]:
    """Return decay, gain and synapse of a neuron with a synaptic current; the current's own gain joins the membrane's.

    I ← κ I + (w_in dt/τ_syn) X is scaled out: I' = I / (w_in dt/τ_syn) is linear in it.
    """
    syn_gain = np.ones(())
    if dialect.gain != "one":
        syn_gain = _fitted(node, "w_in", shape) * dialect.step_s / _fitted(node, "tau_syn", shape)
    return {
        "decay": _kept(node, "tau_mem", shape, dialect),
        "synapse_decay": _kept(node, "tau_syn", shape, dialect),
        "input_gain": _gain(node, "tau_mem", shape, dialect) * syn_gain,
        "rest": _fitted(node, "v_leak", shape),
        "start": _fitted(node, "v_leak", shape),
    }


def _cuba_leaky(node: Any, shape: Shape, dialect: Dialect) -> Neurons:
    return Neurons(**_current_based(node, shape, dialect), **_firing(node, shape, dialect))


def _cuba_integrator(node: Any, shape: Shape, dialect: Dialect) -> Neurons:
    return Neurons(shape=shape, emission=Emission.NONE, **_current_based(node, shape, dialect))


def _integrator(node: Any, shape: Shape, dialect: Dialect) -> Neurons:
    return Neurons(shape=shape, input_gain=_integrated(node, shape, dialect), emission=Emission.NONE)


def _leaky_integrator(node: Any, shape: Shape, dialect: Dialect) -> Neurons:
    return Neurons(
        shape=shape,
        decay=_kept(node, "tau", shape, dialect),
        input_gain=_gain(node, "tau", shape, dialect),
        rest=_fitted(node, "v_leak", shape),
        start=_fitted(node, "v_leak", shape),
        emission=Emission.NONE,
    )


def _threshold(node: Any, shape: Shape, dialect: Dialect) -> Neurons:
    """Return neurons without memory that spike where their input passes the threshold."""
    return Neurons(
        shape=shape,
        threshold=_fitted(node, "threshold", shape),
        decay=0.0,
        reset=Reset.ZERO,
        strict=dialect.strict,
    )


_BUILDERS = {
    "IF": _integrate_and_fire,
    "LIF": _leaky,
    "CubaLIF": _cuba_leaky,
    "CubaLI": _cuba_integrator,
    "I": _integrator,
    "LI": _leaky_integrator,
    "Threshold": _threshold,
}
