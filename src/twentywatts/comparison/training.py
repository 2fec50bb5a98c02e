"""Fine-tuning for spikes, where training data are given and torch is installed; else a sentence that says why not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twentywatts.comparison.split import Parts
from twentywatts.errors import MissingExtraError, RefusedError
from twentywatts.network import Network

if TYPE_CHECKING:
    from collections.abc import Callable

    from twentywatts.forms.spiking import Prepared

__all__ = ["Trained", "fine_tuned"]

_HELD_FRAC = 1 / 3  # of the tuning samples: they choose the timesteps of trained weights, and train none
_NOTE = (
    "spiking rows with training QCFS run weights that were fine-tuned for few timesteps on two thirds of the tuning "
    "samples; the last third chose their timesteps; other forms and the reference run the model as it was given"
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trained:
    """The model fine-tuned, and the rows of the tuning samples that no weight was trained on."""

    prepared: Prepared
    held: NDArray[np.intp]


def fine_tuned(
    network: Network, parts: Parts, *, seed: int, progress: Callable[[str, float], None]
) -> tuple[Trained | None, str]:
    """Return the model fine-tuned on tuning samples and what a reader must know; None where it could not be."""
    from twentywatts.forms.spiking.qcfs import Schedule, fine_tune

    if parts.tuning.count < 2:
        return None, "spiking rows are not fine-tuned: one training sample cannot both train and choose timesteps"
    order = np.random.Generator(np.random.PCG64(seed)).permutation(parts.tuning.count)
    cut = max(1, int(len(order) * _HELD_FRAC))
    samples = parts.tuning.take(np.sort(order[cut:]))
    try:
        prepared = fine_tune(
            network,
            samples.inputs,
            samples.targets,
            schedule=Schedule(seed=seed),
            progress=lambda text, share: progress(text, 0.03 + 0.02 * share),
        )
    except (MissingExtraError, RefusedError) as error:
        return None, f"spiking rows are not fine-tuned on the training data: {error}"
    return Trained(prepared=prepared, held=np.sort(order[:cut])), _NOTE
