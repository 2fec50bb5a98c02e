"""Tiny networks in other libraries, exported by those libraries to NIR, and what they answer: spikes by step.

A case gives (graph, dialect, input of shape (steps, inputs), spikes of the last layer (steps, outputs)).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np

from twentywatts.network_spiking import Emission
from twentywatts.readers.nir_dialects import DIALECTS, Dialect

__all__ = ["CASES", "Case", "answer"]

STEPS, SIZES, GAIN = 60, (12, 9, 5), 3.0


class Case(NamedTuple):
    """What a library exported, how it is to be read, what it was fed and what it answered."""

    graph: Any
    dialect: str | Dialect
    fed: np.ndarray
    spikes: np.ndarray


def _fed() -> np.ndarray:
    return (np.random.default_rng(1).random((STEPS, SIZES[0])) < 0.4).astype(np.float32)


def _stack(neurons: Callable[[int], Any], gain: float = GAIN) -> list[Any]:
    """Return dense layers with a library's neurons between them, weights large enough that all layers spike."""
    import torch
    from torch import nn

    torch.manual_seed(0)
    parts: list[Any] = []
    for before, after in pairwise(SIZES):
        linear = nn.Linear(before, after)
        linear.weight.data *= gain
        parts += [linear, neurons(after)]
    return parts


def _snntorch(mechanism: str, *, kind: str = "Leaky") -> Case:
    import snntorch
    import torch
    from snntorch import utils
    from snntorch.export_nir import export_to_nir

    def neurons(size: int) -> Any:
        given: dict[str, Any] = {"alpha": torch.full((size,), 0.5)} if kind == "Synaptic" else {}
        given |= {"linear_features": size} if kind == "RLeaky" else {}
        given |= {"beta": torch.full((size,), 0.9), "threshold": torch.ones(size)}
        return getattr(snntorch, kind)(init_hidden=True, reset_mechanism=mechanism, **given)

    fed = _fed()
    net = torch.nn.Sequential(*_stack(neurons))
    with torch.no_grad():
        graph = export_to_nir(net, torch.from_numpy(fed[:1]), ignore_dims=[0])
        utils.reset(net)
        spikes = np.stack([net(torch.from_numpy(x)[None]).numpy()[0] for x in fed])
    return Case(graph, "snntorch" if mechanism == "subtract" else "snntorch-zero", fed, spikes)


def _sinabs(kind: str) -> Case:
    import torch
    from sinabs import activation, layers
    from sinabs.nir import to_nir

    def neurons(_: int) -> Any:
        if kind == "LIF":
            return layers.LIFSqueeze(tau_mem=10.0, batch_size=1, norm_input=False, min_v_mem=None)
        fired = activation.SingleSpike if kind == "IAF, single spike" else activation.MultiSpike
        return layers.IAFSqueeze(batch_size=1, min_v_mem=None, spike_fn=fired)

    fed = _fed()
    net = torch.nn.Sequential(*_stack(neurons))
    with torch.no_grad():
        net(torch.from_numpy(fed))
        graph = to_nir(net, torch.from_numpy(fed))
        for part in net:
            if hasattr(part, "reset_states"):
                part.reset_states()
        spikes = net(torch.from_numpy(fed)).numpy()
    one = replace(DIALECTS["sinabs"], emission=Emission.ONE)
    return Case(graph, one if kind == "IAF, single spike" else "sinabs", fed, spikes)


def _norse(kind: str) -> Case:
    import norse.torch as norse
    import torch

    def neurons(size: int) -> Any:
        if kind == "IAFCell":
            return norse.IAFCell(p=norse.IAFParameters(v_th=torch.full((size,), 1.0)))
        rest, threshold = torch.zeros(size), torch.full((size,), 0.3)
        leak = torch.full((size,), 100.0)
        return norse.LIFBoxCell(norse.LIFBoxParameters(tau_mem_inv=leak, v_leak=rest, v_th=threshold))

    fed = _fed()
    net = norse.SequentialState(*_stack(neurons, 2 * GAIN))
    state, spikes = None, []
    with torch.no_grad():
        graph = norse.to_nir(net, torch.from_numpy(fed[:1]))
        for x in fed:
            out, state = net(torch.from_numpy(x)[None], state)
            spikes.append(out.numpy()[0])
    return Case(graph, "norse", fed, np.stack(spikes))


def _spikingjelly(kind: str) -> Case:
    import torch
    from spikingjelly.activation_based import functional, neuron
    from spikingjelly.activation_based.nir_exchange import export_to_nir

    def neurons(_: int) -> Any:
        if kind == "IFNode":
            return neuron.IFNode(v_reset=-0.2)
        return neuron.LIFNode(tau=4.0, decay_input=kind == "LIFNode")

    fed = _fed()
    net = torch.nn.Sequential(*_stack(neurons, 4 * GAIN if kind == "LIFNode" else 2 * GAIN))
    with torch.no_grad():
        graph = export_to_nir(net, torch.from_numpy(fed[:1]))
        functional.reset_net(net)
        spikes = np.stack([net(torch.from_numpy(x)[None]).numpy()[0] for x in fed])
    return Case(graph, "spikingjelly", fed, spikes)


CASES: dict[tuple[str, str], Callable[[], Case]] = {
    ("snntorch", "Leaky, reset by subtraction"): lambda: _snntorch("subtract"),
    ("snntorch", "Leaky, reset to zero"): lambda: _snntorch("zero"),
    ("snntorch", "Synaptic, reset by subtraction"): lambda: _snntorch("subtract", kind="Synaptic"),
    ("snntorch", "RLeaky, all to all"): lambda: _snntorch("subtract", kind="RLeaky"),
    ("sinabs", "IAF, many spikes"): lambda: _sinabs("IAF"),
    ("sinabs", "IAF, single spike"): lambda: _sinabs("IAF, single spike"),
    ("sinabs", "LIF"): lambda: _sinabs("LIF"),
    ("norse", "IAFCell"): lambda: _norse("IAFCell"),
    ("norse", "LIFBoxCell"): lambda: _norse("LIFBoxCell"),
    ("spikingjelly", "IFNode"): lambda: _spikingjelly("IFNode"),
    ("spikingjelly", "LIFNode"): lambda: _spikingjelly("LIFNode"),
    ("spikingjelly", "LIFNode, input not decayed"): lambda: _spikingjelly("LIFNode, input not decayed"),
}


def answer(library: str, what: str) -> Case:
    """Return a case, the library's own warnings kept off."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return CASES[library, what]()
