"""A spiking network from trained weights by name, where no NIR file exists: who holds what is the caller's to say.

A state dict holds weights and some constants of neurons, never the order of layers, windows of convolutions, or (in
Norse and SpikingJelly) anything of the neurons. ``snntorch_neurons`` and ``sinabs_neurons`` take from it what is there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from twentywatts.errors import InputError, ModelError, nearest
from twentywatts.network_spiking import (
    Conv,
    Dense,
    Emission,
    Neurons,
    Projection,
    Reset,
    SpikingLayer,
    SpikingNetwork,
    Synapses,
)
from twentywatts.readers.state_file import State

__all__ = ["StateLayer", "from_state", "sinabs_neurons", "snntorch_neurons"]

Shape = tuple[int, ...]
NeuronsOf = Callable[[Shape], Neurons]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class StateLayer:
    """One layer: the module whose ``.weight`` and ``.bias`` feed it, what its neurons are, and a convolution's window.

    neurons: given the layer's shape, its neurons (``lambda shape: Neurons(shape=shape, …)``).
    """

    module: str
    neurons: NeuronsOf
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    groups: int = 1


def from_state(state: State, *, input_shape: Shape, layers: Sequence[StateLayer]) -> SpikingNetwork:
    """Return layers one after another, fed by ``input`` of ``input_shape`` (channels first).

    Raises ModelError naming a weight that is not there, InputError for weights that do not fit or cannot be.
    """
    found: list[SpikingLayer] = []
    source, shape = "input", input_shape
    for layer in layers:
        weight = _of(state, f"{layer.module}.weight")
        synapses: Synapses = Dense(weight=weight) if weight.ndim == 2 else _conv(weight, layer)
        try:
            shape = synapses.out_shape(shape)
            neurons = layer.neurons(shape)
        except InputError as error:
            raise InputError(f"layer '{layer.module}': {error}") from None
        bias = state.get(f"{layer.module}.bias")
        found.append(
            SpikingLayer(
                name=layer.module,
                neurons=neurons,
                projections=(Projection(source=source, synapses=synapses),),
                bias=None if bias is None else np.asarray(bias, dtype=np.float64).reshape(-1, *[1] * (len(shape) - 1)),
            )
        )
        source = layer.module
    return SpikingNetwork(inputs={"input": input_shape}, layers=tuple(found))


def _conv(weight: np.ndarray, layer: StateLayer) -> Conv:
    return Conv(weight=weight, stride=layer.stride, padding=layer.padding, dilation=layer.dilation, groups=layer.groups)


def _of(state: State, name: str) -> np.ndarray:
    if name not in state:
        raise ModelError(f"there are no weights '{name}'{nearest(name, state)}")
    return state[name]


def snntorch_neurons(state: State, module: str) -> NeuronsOf:
    """Return the neurons of a snnTorch ``Leaky`` or ``Synaptic`` module, with its default (delayed) reset.

    Its reset by subtraction comes in the next step; that of ``Leaky`` to zero acts as an immediate one. ``Synaptic``
    with a reset to zero drops what arrives in the next step, which no neuron here does: InputError.
    """
    mechanism = int(_of(state, f"{module}.reset_mechanism_val"))
    if mechanism not in (0, 1):
        raise InputError(f"module '{module}' has no reset: such a neuron spikes in every step above its threshold")
    if mechanism and f"{module}.alpha" in state:
        raise InputError(f"module '{module}': Synaptic with a reset to zero drops what arrives, as no neuron here does")
    beta, threshold = _of(state, f"{module}.beta"), _of(state, f"{module}.threshold")
    alpha = state.get(f"{module}.alpha", np.zeros(()))

    def made(shape: Shape) -> Neurons:
        return Neurons(
            shape=shape,
            threshold=_spread(threshold, shape),
            decay=_spread(np.clip(beta, 0, 1), shape),
            synapse_decay=_spread(np.clip(alpha, 0, 1), shape),
            reset=Reset.ZERO if mechanism else Reset.SUBTRACT,
            delayed_reset=not mechanism,
            strict=True,
        )

    return made


def sinabs_neurons(state: State, module: str, *, many: bool = True, norm_input: bool = False) -> NeuronsOf:
    """Return the neurons of a sinabs ``IAF`` or ``LIF`` module without a lower bound of its membrane.

    many: its default spike function sends several spikes in a step. norm_input: the input of an LIF is times 1 − decay
    (sinabs' default, which the state does not hold).
    """
    threshold, tau = _of(state, f"{module}.spike_threshold"), state.get(f"{module}.tau_mem")
    decay = np.ones(()) if tau is None else np.exp(-1.0 / np.asarray(tau, dtype=np.float64))

    def made(shape: Shape) -> Neurons:
        return Neurons(
            shape=shape,
            threshold=_spread(threshold, shape),
            decay=_spread(decay, shape),
            input_gain=_spread(1.0 - decay, shape) if norm_input and tau is not None else 1.0,
            emission=Emission.MANY if many else Emission.ONE,
        )

    return made


def _spread(values: np.ndarray, shape: Shape) -> np.ndarray:
    """Return constants as they fit the neurons: one, one by channel, or one for each."""
    array = np.asarray(values, dtype=np.float64)
    if array.size == 1:
        return array.reshape(())
    if array.size == int(np.prod(shape)):
        return array.reshape(shape)
    return array.reshape(-1, *[1] * (len(shape) - 1)) if array.size == shape[0] else array
