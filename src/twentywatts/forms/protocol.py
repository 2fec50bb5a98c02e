"""The contract of a form, and the table of the forms there are."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from twentywatts.machines import Traits
from twentywatts.network import Network
from twentywatts.workload import Workload

__all__ = ["FORMS", "Form", "FormResult", "Inputs", "Setting", "build", "build_all", "forms_of", "settings_of"]

Inputs = Mapping[str, NDArray[Any]]
Setting = Mapping[str, int | float | str]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FormResult:
    """What a run gives: the model's first output, shape (samples, …), and the work of one inference (or one batch).

    workload: None for processor forms, whose arithmetic does not depend on the data: counting gives it. draws: outputs
    of all noise draws, shape (draws, samples, …), draw 0 being ``outputs``, for forms with device noise; None
    otherwise. notes: what a reader of the row must know.
    """

    outputs: NDArray[np.float32]
    workload: Workload | None
    draws: NDArray[np.float32] | None = None
    notes: tuple[str, ...] = ()


class Form(Protocol):
    """A network in the form that one kind of machine executes, at one setting."""

    name: str
    setting: Setting

    def run(self, inputs: Inputs, *, batch: int = 1) -> FormResult:
        """Run all samples (arrays with samples first, by input name); ``batch`` is how the workload groups them."""
        ...


FORMS: Mapping[str, str] = {
    "float": "twentywatts.forms.float32",
    "int8": "twentywatts.forms.int8",
    "spiking": "twentywatts.forms.spiking",
    "crossbar": "twentywatts.forms.crossbar",
}
_BY_FAMILY = {"processor": ("float", "int8"), "neuromorphic": ("spiking",), "crossbar": ("crossbar",), "brain": ()}


def forms_of(family: str) -> Sequence[str]:
    """Return the names of the forms that a family of machines executes."""
    return _BY_FAMILY[family]


def settings_of(form: str, traits: Traits) -> list[Setting]:
    """Return the settings that a search tries for a form on a machine with these traits, cheapest first."""
    function: Callable[[Traits], list[Setting]] = import_module(FORMS[form]).settings
    return function(traits)


def build(form: str, network: Network, traits: Traits, *, calibration: Inputs, setting: Setting, seed: int = 0) -> Form:
    """Return a form, calibrated on ``calibration`` samples; raises RefusedError naming the layer it cannot carry."""
    function: Callable[..., Form] = import_module(FORMS[form]).build
    return function(network, traits, calibration=calibration, setting=setting, seed=seed)


def build_all(
    form: str, network: Network, traits: Traits, *, calibration: Inputs, settings: Sequence[Setting], seed: int = 0
) -> list[Form]:
    """Return one form per setting; a form whose settings can share work (calibration, conversion) does so.

    Raises RefusedError naming the layer that the form cannot carry.
    """
    shared: Callable[..., list[Form]] | None = getattr(import_module(FORMS[form]), "build_all", None)
    if shared is not None:
        return shared(network, traits, calibration=calibration, settings=settings, seed=seed)
    return [build(form, network, traits, calibration=calibration, setting=s, seed=seed) for s in settings]
