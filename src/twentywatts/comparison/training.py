"""Fine-tuning for spikes, where training data are given and torch is installed; else a sentence that says why not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twentywatts.comparison.split import Parts
from twentywatts.errors import MissingExtraError, RefusedError
from twentywatts.network import Network

if TYPE_CHECKING:
    from collections.abc import Callable

    from twentywatts.forms.spiking import Prepared

__all__ = ["fine_tuned"]

_NOTE = (
    "spiking rows with training QCFS run weights that were fine-tuned on the tuning samples for few timesteps; the "
    "other forms and the reference run the model as it was given"
)


def fine_tuned(
    network: Network, parts: Parts, *, seed: int, progress: Callable[[str, float], None]
) -> tuple[Prepared | None, str]:
    """Return the model fine-tuned on the tuning samples and what a reader must know; None where it could not be."""
    from twentywatts.forms.spiking.qcfs import Schedule, fine_tune

    samples = parts.tuning
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
    return prepared, _NOTE
