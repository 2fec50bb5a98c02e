"""SpikingNetwork: what a spiking network is. Layers of neurons, the synapses between them, and nothing about chips.

This is the type that readers (NIR and others) build and that ``twentywatts.forms.spiking`` runs, converts and writes.
A layer sums what its projections deliver, adds a bias, updates its neurons and sends events::

    hidden = SpikingLayer(
        name="hidden",
        neurons=Neurons(shape=(1024,), threshold=1.0, decay=0.9),
        projections=(Projection(source="pixels", synapses=Dense(weight=weight)),),  # weight (1024, 784)
    )
    network = SpikingNetwork(inputs={"pixels": (784,)}, layers=(hidden,))

Everything is checked when it is made: shapes, NaN, thresholds, windows, loops without delay raise InputError.
"""

from __future__ import annotations

from twentywatts.network_spiking.graph import Projection, SpikingLayer, SpikingNetwork
from twentywatts.network_spiking.neurons import Emission, Neurons, Reset, is_relay, relay
from twentywatts.network_spiking.synapses import Conv, Dense, OneToOne, Pool, Synapses

__all__ = [
    "Conv",
    "Dense",
    "Emission",
    "Neurons",
    "OneToOne",
    "Pool",
    "Projection",
    "Reset",
    "SpikingLayer",
    "SpikingNetwork",
    "Synapses",
    "is_relay",
    "relay",
]
