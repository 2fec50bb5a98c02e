"""Dense layers as matrix products, for rates at which looking at single events no longer pays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.forms.spiking.events import Events
from twentywatts.forms.spiking.kernel_dense import DenseRows
from twentywatts.forms.spiking.lanes import compiled

if TYPE_CHECKING:
    from twentywatts.forms.spiking.plan import LayerPlan

__all__ = ["product"]

Array = NDArray[Any]
_EXACT = 2.0**24  # whole numbers up to here are exact in float32


@compiled
def _marked(first: Array, index: Array, marks: Array, real: Array, found: Array) -> None:
    """Fill ``found`` (frames, lanes / 32) with whom the events of each frame reach over weights that are not zero."""
    for frame in range(first.shape[0] - 1):
        for word in range(real.shape[0]):
            reached, event = np.uint32(0), first[frame]
            while event < first[frame + 1] and reached != real[word]:
                reached |= marks[index[event], word]
                event += 1
            found[frame, word] = reached


def product(events: Events, rows: DenseRows, layer: LayerPlan, number: type) -> tuple[Array, Array]:
    """Return sums (frames, lanes) and marks (frames, lanes / 8) of single events; whole numbers come out exact."""
    frames = len(events.first) - 1
    exact = float(layer.packed[0].sums.max(initial=0.0)) < _EXACT or number is np.float32
    kind = np.float32 if exact else np.float64
    active = np.zeros((frames, rows.inputs), kind)
    active[np.repeat(np.arange(frames), np.diff(events.first)), events.neuron] = 1
    sums = active @ layer.matrix(kind)
    marks = np.zeros((frames, len(rows.real)), np.uint32)
    _marked(events.first, events.neuron, rows.marks, rows.real, marks)
    return (sums * layer.parameters.factors[0]).astype(number), marks.view(np.uint8)
