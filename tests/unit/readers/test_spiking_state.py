"""Weights by name become spiking layers; files of weights are read without running anything."""

from __future__ import annotations

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.spiking_reference import membranes_and_events

from twentywatts.errors import InputError, ModelError
from twentywatts.network_spiking import Neurons, Reset
from twentywatts.readers.spiking_state import StateLayer, from_state, sinabs_neurons, snntorch_neurons
from twentywatts.readers.state_file import read_state


def safetensors(path: Path, arrays: dict[str, np.ndarray], **changes: Any) -> Path:
    header, data = {}, b""
    for name, array in arrays.items():
        kind = {"f4": "F32", "i8": "I64", "f2": "F16"}[array.dtype.str[1:]]
        header[name] = {"dtype": kind, "shape": array.shape, "data_offsets": [len(data), len(data) + array.nbytes]}
        header[name] |= changes
        data += array.tobytes()
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


RNG = np.random.default_rng(5)
STATE = {
    "conv.weight": RNG.normal(0, 0.5, (3, 1, 3, 3)).astype(np.float32),
    "conv.bias": np.array([0.1, 0.0, -0.1], dtype=np.float32),
    "lif.beta": np.array(0.9, dtype=np.float32),
    "lif.threshold": np.array([1.0, 1.5, 2.0], dtype=np.float32),
    "lif.reset_mechanism_val": np.array(0),
    "out.weight": RNG.normal(0, 0.5, (4, 27)).astype(np.float32),
    "iaf.spike_threshold": np.array(1.0, dtype=np.float32),
}


def layers(state: Any) -> list[StateLayer]:
    return [
        StateLayer(module="conv", neurons=snntorch_neurons(state, "lif"), stride=2, padding=1),
        StateLayer(module="out", neurons=sinabs_neurons(state, "iaf")),
    ]


def test_a_file_of_weights_becomes_layers(tmp_path: Path) -> None:
    state = read_state(safetensors(tmp_path / "net.safetensors", STATE))
    assert all(np.array_equal(state[name], array) for name, array in STATE.items())
    network = from_state(state, input_shape=(1, 6, 6), layers=layers(state))
    conv, out = network.layers
    assert conv.neurons.shape == (3, 3, 3)
    assert (conv.neurons.delayed_reset, conv.neurons.reset) == (True, Reset.SUBTRACT)
    np.testing.assert_array_equal(conv.neurons.values("threshold")[:, 0, 0], [1.0, 1.5, 2.0])
    np.testing.assert_allclose(conv.biases()[:, 1, 1], [0.1, 0.0, -0.1])
    assert out.neurons.shape == (4,)
    _, events = membranes_and_events(network, {"input": np.ones((10, 1, 6, 6))})
    assert events["conv"].any()


@pytest.mark.torch
def test_a_state_dict_is_loaded_and_a_pickle_is_not(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({name: torch.from_numpy(array) for name, array in STATE.items()}, tmp_path / "net.pt")
    state = read_state(tmp_path / "net.pt")
    assert all(np.array_equal(state[name], array) for name, array in STATE.items())

    class Harmful:
        def __reduce__(self) -> Any:
            return (Path(tmp_path / "ran").touch, ())

    torch.save({"conv.weight": Harmful()}, tmp_path / "bad.pt")
    with pytest.raises(ModelError, match="not a plain state dict"):
        read_state(tmp_path / "bad.pt")
    (tmp_path / "raw.pt").write_bytes(pickle.dumps([1, 2]))
    with pytest.raises(ModelError, match=r"not a plain state dict|something else than tensors"):
        read_state(tmp_path / "raw.pt")
    assert not (tmp_path / "ran").exists()


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "outside": ({"data_offsets": [0, 10**9]}, "outside the file"),
    "below zero": ({"data_offsets": [-4, 32]}, "outside the file"),
    "another shape": ({"shape": [7]}, "does not fit its bytes"),
    "a shape of texts": ({"shape": ["a"]}, "outside the file"),
    "an unknown type": ({"dtype": "F4"}, "type F4 are not read"),
}


@pytest.mark.parametrize("case", BAD)
def test_offsets_are_checked(case: str, tmp_path: Path) -> None:
    changes, words = BAD[case]
    path = safetensors(tmp_path / "net.safetensors", {"a.weight": np.ones((3, 3), dtype=np.float32)}, **changes)
    with pytest.raises(ModelError, match=words):
        read_state(path)


def test_a_small_file_does_not_make_many_arrays_of_the_same_bytes(tmp_path: Path) -> None:
    entry = {"dtype": "F32", "shape": [2**18], "data_offsets": [0, 2**20]}
    header = json.dumps({f"a{index}": entry for index in range(20_000)}).encode()  # 20 GB
    path = tmp_path / "net.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(2**20))
    with pytest.raises(ModelError, match="arrays overlap"):
        read_state(path)


@pytest.mark.parametrize("content", [b"", b"\x08\0\0\0\0\0\0\0not json", b"\xff" * 16, b"\x02\0\0\0\0\0\0\0[]"])
def test_other_files_are_no_weights(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "net.safetensors").write_bytes(content)
    with pytest.raises(ModelError, match="not a safetensors file"):
        read_state(tmp_path / "net.safetensors")
    with pytest.raises(ModelError, match="no file of weights"):
        read_state(tmp_path / "none.safetensors")


def test_what_is_missing_or_does_not_fit_is_named() -> None:
    with pytest.raises(ModelError, match=r"no weights 'convs.weight' \(did you mean 'conv.weight'"):
        from_state(
            STATE, input_shape=(1, 6, 6), layers=[StateLayer(module="convs", neurons=lambda s: Neurons(shape=s))]
        )
    with pytest.raises(InputError, match=r"layer 'out': Dense weights take 27 inputs"):
        from_state(STATE, input_shape=(1, 6, 6), layers=layers(STATE)[1:])
    with pytest.raises(InputError, match="has no reset"):
        snntorch_neurons({**STATE, "lif.reset_mechanism_val": np.array(2)}, "lif")
    both = {"lif.reset_mechanism_val": np.array(1), "lif.alpha": np.array(0.5)}
    with pytest.raises(InputError, match="drops what arrives"):
        snntorch_neurons({**STATE, **both}, "lif")
    broken = {**STATE, "lif.threshold": np.zeros(3)}
    with pytest.raises(InputError, match="layer 'conv': thresholds must be above 0"):
        from_state(broken, input_shape=(1, 6, 6), layers=layers(broken))
    nan = {**STATE, "conv.weight": STATE["conv.weight"] * np.nan}
    with pytest.raises(InputError, match="NaN"):
        from_state(nan, input_shape=(1, 6, 6), layers=layers(nan))


@pytest.mark.parametrize(("kind", "mechanism"), [("Leaky", "subtract"), ("Leaky", "zero"), ("Synaptic", "subtract")])
def test_snntorch_spikes_from_its_state(kind: str, mechanism: str) -> None:
    snntorch = pytest.importorskip("snntorch")
    import torch

    torch.manual_seed(0)
    given = {"beta": 0.8, "init_hidden": True, "reset_mechanism": mechanism}
    given |= {"alpha": 0.5} if kind == "Synaptic" else {}
    net = torch.nn.Sequential(torch.nn.Linear(8, 6), getattr(snntorch, kind)(**given))
    net[0].weight.data *= 3
    fed = (np.random.default_rng(0).random((40, 8)) < 0.4).astype(np.float32)
    with torch.no_grad():
        wanted = np.stack([net(torch.from_numpy(x)[None]).numpy()[0] for x in fed])
    state = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    layer = StateLayer(module="0", neurons=snntorch_neurons(state, "1"))
    _, events = membranes_and_events(from_state(state, input_shape=(8,), layers=[layer]), {"input": fed})
    assert wanted.any()
    np.testing.assert_array_equal(events["0"], wanted)


@pytest.mark.parametrize("norm_input", [False, True])
def test_sinabs_spikes_from_its_state(norm_input: bool) -> None:
    sinabs = pytest.importorskip("sinabs.layers")
    import torch

    torch.manual_seed(0)
    neurons = sinabs.LIFSqueeze(tau_mem=8.0, batch_size=1, norm_input=norm_input, min_v_mem=None)
    net = torch.nn.Sequential(torch.nn.Linear(8, 6), neurons)
    net[0].weight.data *= 8 if norm_input else 3
    fed = (np.random.default_rng(0).random((40, 8)) < 0.4).astype(np.float32)
    with torch.no_grad():
        wanted = net(torch.from_numpy(fed)).numpy()
    state = {name: tensor.numpy() for name, tensor in net.state_dict().items()}
    layer = StateLayer(module="0", neurons=sinabs_neurons(state, "1", norm_input=norm_input))
    _, events = membranes_and_events(from_state(state, input_shape=(8,), layers=[layer]), {"input": fed})
    assert wanted.any()
    np.testing.assert_array_equal(events["0"], wanted)
