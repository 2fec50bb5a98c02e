"""The form `spiking`: a ReLU network as integrate-and-fire neurons, run event by event; docs/method/spiking.md.

``SpikingEngine`` runs any ``twentywatts.network_spiking.SpikingNetwork``; ``to_int8`` makes its weights integers.
``prepare`` lowers and calibrates a model once for all chips, ``convert`` gives one chip's neurons, ``run`` runs all
numbers of timesteps in one pass. ``build_all`` does this sharing behind the contract of a form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np

from twentywatts.forms.protocol import FormResult, Inputs, Setting
from twentywatts.forms.spiking.calibration import Prepared, prepare
from twentywatts.forms.spiking.conversion import Converted, convert
from twentywatts.forms.spiking.crossover import crossover_rates
from twentywatts.forms.spiking.event_files import event_chunks
from twentywatts.forms.spiking.integers import to_int8
from twentywatts.forms.spiking.native import workload_of_run
from twentywatts.forms.spiking.network_engine import SpikingEngine, SpikingRun
from twentywatts.forms.spiking.session import LayerCounts, Session, Window
from twentywatts.forms.spiking.simulation import Run, run, spike_trains
from twentywatts.forms.spiking.streams import AddressEvents, EventStream
from twentywatts.forms.spiking.workload import output_of, workload_of
from twentywatts.machines import SpikingTraits, Traits
from twentywatts.network import Network

__all__ = [
    "AddressEvents",
    "Converted",
    "EventStream",
    "LayerCounts",
    "Prepared",
    "Run",
    "Session",
    "SpikingEngine",
    "SpikingForm",
    "SpikingRun",
    "Window",
    "build",
    "build_all",
    "convert",
    "crossover_rates",
    "event_chunks",
    "forms_from",
    "prepare",
    "run",
    "run_steps",
    "settings",
    "spike_trains",
    "to_int8",
    "workload_of_run",
]


def settings(traits: Traits) -> list[Setting]:
    """Return the numbers of timesteps that a search tries, the cheapest first."""
    return [{"timesteps": steps} for steps in (1, 2, 4, 8, 16, 32)]


def run_steps(converted: Converted, inputs: Inputs, timesteps: Sequence[int]) -> dict[int, FormResult]:
    """Return the result after each number of timesteps, from one run of the longest: nothing depends on the end."""
    done = run(converted, inputs, timesteps=timesteps)
    return {
        steps: FormResult(
            outputs=output_of(converted.lowered, done.outputs[steps]),
            workload=workload_of(converted, done, steps),
            notes=converted.notes,
        )
        for steps in timesteps
    }


@dataclass(kw_only=True, eq=False)
class _Shared:
    """One conversion with its last run, for the forms of all settings."""

    converted: Converted
    timesteps: tuple[int, ...]
    key: bytes = b""
    results: dict[int, FormResult] = field(default_factory=dict)

    def result(self, inputs: Inputs, steps: int) -> FormResult:
        """Return the result of one setting; a run gives those of all fewer timesteps too.

        It runs no longer than is asked: a search that doubles the timesteps and stops early pays less than twice its
        last run, one that starts with the longest pays for that alone.
        """
        key = self._digest(inputs)
        if key != self.key:
            self.key, self.results = key, {}
        if steps not in self.results:
            self.results |= run_steps(self.converted, inputs, [s for s in self.timesteps if s <= steps])
        return self.results[steps]

    def _digest(self, inputs: Inputs) -> bytes:
        digest = blake2b(digest_size=16)
        for name in self.converted.lowered.inputs:
            array = np.ascontiguousarray(inputs.get(name, ()))
            digest.update(f"{name} {array.dtype} {array.shape}".encode())
            digest.update(array.tobytes())
        return digest.digest()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SpikingForm:
    """A model as one chip's neurons, run for a number of timesteps."""

    name: str
    setting: Setting
    shared: _Shared

    def run(self, inputs: Inputs, *, batch: int = 1) -> FormResult:
        """Run all samples; the workload counts one inference whatever the batch, as neurons hold one state each."""
        return self.shared.result(inputs, int(self.setting["timesteps"]))


def build_all(
    network: Network, traits: Traits, *, calibration: Inputs, settings: Sequence[Setting], seed: int = 0
) -> list[SpikingForm]:
    """Return a form for each setting; they share one conversion, and one run for the same inputs.

    Raises RefusedError naming the layer that has no spiking form, or that no core of the chip can hold.
    """
    return forms_from(prepare(network, calibration), traits, settings=settings)


def forms_from(prepared: Prepared, traits: Traits, *, settings: Sequence[Setting]) -> list[SpikingForm]:
    """Return a form for each setting of a model that was prepared once for several chips."""
    if not isinstance(traits, SpikingTraits):
        raise TypeError(f"a spiking form needs the traits of a neuromorphic chip, not {type(traits).__name__}")
    steps = tuple(int(setting["timesteps"]) for setting in settings)
    shared = _Shared(converted=convert(prepared, traits), timesteps=steps)
    return [SpikingForm(name="spiking", setting=setting, shared=shared) for setting in settings]


def build(network: Network, traits: Traits, *, calibration: Inputs, setting: Setting, seed: int = 0) -> SpikingForm:
    """Return the form of one setting; nothing is drawn, the seed changes nothing. Errors as in ``build_all``."""
    return build_all(network, traits, calibration=calibration, settings=[setting])[0]
