"""The form `float`: the model as it is, on onnxruntime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.forms.protocol import FormResult, Inputs, Setting
from twentywatts.forms.runtime import BatchRunner, check_inputs, open_session, run_session
from twentywatts.machines import Traits
from twentywatts.network import Network

__all__ = ["SessionForm", "build", "settings"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SessionForm:
    """A form that is one onnxruntime session: float and int8."""

    name: str
    setting: Setting
    session: Any
    runner: BatchRunner

    def run(self, inputs: Inputs, *, batch: int = 1) -> FormResult:
        """Run all samples; ``batch`` changes nothing here, since the workload comes from counting (None)."""
        output = self.session.get_outputs()[0].name

        def call(feeds: dict[str, NDArray[Any]]) -> NDArray[Any]:
            return np.asarray(run_session(self.session, feeds, [output], what=self.name)[0])

        return FormResult(outputs=self.runner.map(call, check_inputs(self.session, inputs)), workload=None)


def settings(traits: Traits) -> list[Setting]:
    """Return the one setting there is."""
    return [{"precision": "fp32"}]


def build(network: Network, traits: Traits, *, calibration: Inputs, setting: Setting, seed: int = 0) -> SessionForm:
    """Return the model as it is; nothing is calibrated or drawn. Raises RefusedError if onnxruntime cannot load it."""
    session = open_session(network.path, what=f"model '{network.name}'")
    return SessionForm(name="float", setting=setting, session=session, runner=BatchRunner.of(session, network))
