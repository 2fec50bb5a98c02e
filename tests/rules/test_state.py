"""No state leaks: every public function gives the same when it is called twice, in any order."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support.repository import ROOT

import twentywatts as tw

MODEL = ROOT / "examples" / "digits.onnx"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Samples of the right shape with invented targets: what is compared is that two calls agree."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    from twentywatts.readers import read

    shape = read(MODEL).inputs[0].shape
    assert shape is not None
    generator = np.random.default_rng(0)
    path = tmp_path_factory.mktemp("data") / "data.npz"
    np.savez(path, x=generator.random((60, *shape[1:])), y=np.arange(60) % 10)
    return path


def _machine(_: Path) -> Any:
    machine = tw.machine("loihi")
    return machine.name, dict(machine.figures), dict(machine.traits)


def _count(_: Path) -> Any:
    counts = tw.count(MODEL, batch=2)
    return str(counts), counts.as_document()


def _compare(data: Path) -> Any:
    from twentywatts.reports.document import comparison_document

    comparison = tw.compare(MODEL, data, on=["h100-sxm", "loihi"], max_drop=1.0)
    document = comparison_document(comparison)
    del document["run"]
    return str(comparison), json.dumps(document)


def _estimate(_: Path) -> Any:
    from twentywatts.reports.estimate_document import estimation_document

    found = tw.estimate("llama-3.1-8b", on="h100-sxm", batch=4)
    return str(found), json.dumps(estimation_document(found))


def _measure(_: Path) -> Any:
    with tw.measure("sum") as meter:
        tw.mark("first")
        value = sum(range(1000))
    return value, meter.name, meter.how, [lap.name for lap in meter.laps]


def _measured(_: Path) -> Any:
    return tw.measured(sum)([1, 2, 3])


def _benchmark(_: Path) -> Any:
    result = tw.benchmark(lambda: None, repeats=2, min_time_s=0.01, idle_s=0, unit="call")
    return type(result)


def _spiking() -> Any:
    from twentywatts.network_spiking import Dense, Neurons, Projection, SpikingLayer, SpikingNetwork

    feed = Projection(source="x", synapses=Dense(weight=np.eye(3, dtype=np.float32)))
    layer = SpikingLayer(name="lif", neurons=Neurons(shape=(3,), decay=0.5), projections=(feed,))
    return SpikingNetwork(inputs={"x": (3,)}, layers=(layer,))


def _write_nir(data: Path) -> Any:
    pytest.importorskip("nir")
    tw.write_nir(_spiking(), data.with_name("net.nir"))
    return data.with_name("net.nir").stat().st_size


def _read_nir(data: Path) -> Any:
    _write_nir(data)
    network = tw.read_nir(data.with_name("net.nir"))
    return network.name, [(layer.name, layer.neurons.shape) for layer in network.layers], network.results


def _neurobench(_: Path) -> Any:
    from twentywatts.forms.spiking import SpikingEngine

    inputs = np.ones((1, 4, 3), dtype=np.float32)
    return tw.neurobench(_spiking(), SpikingEngine(_spiking()).run(inputs), inputs).as_results()


def _audit(_: Path) -> Any:
    found = tw.audit("The brain runs on 20 watts. A cluster of 1,000 A100 at 400 W uses 2,880 MWh in 30 days.")
    return str(found), json.dumps(found.as_document())


def _slim(data: Path) -> Any:
    found = tw.slim(MODEL, data, methods=["fold"], budget_s=0, max_drop=1.0)
    return [
        (entry.name, entry.digest, entry.search) for entry in found.entries
    ]  # times differ, what was tried does not


CALLS: dict[str, Callable[[Path], Any]] = {"machine": _machine, "count": _count, "compare": _compare}
CALLS["estimate"] = _estimate
CALLS["audit"] = _audit
CALLS["slim"] = _slim
CALLS["review"] = lambda _: str(tw.review(ROOT / "examples" / "paper_table.csv"))
# what is measured differs from run to run; what it is called, how it came about and how many laps there are does not
CALLS |= {
    "measure": _measure,
    "write_nir": _write_nir,
    "read_nir": _read_nir,
    "neurobench": _neurobench,
    "mark": lambda _: tw.mark("nobody listens"),
    "measured": _measured,
    "benchmark": _benchmark,
}


def test_every_public_function_is_called_here() -> None:
    functions = {name for name in tw.__all__ if inspect.isfunction(getattr(tw, name))}
    assert functions == set(CALLS)


@pytest.mark.parametrize("name", CALLS)
def test_two_calls_agree_whatever_ran_between_them(name: str, data: Path) -> None:
    first = CALLS[name](data)
    for other, call in CALLS.items():
        if other not in (name, "compare", "slim"):
            call(data)
    assert CALLS[name](data) == first


def test_a_caller_cannot_change_the_next_caller_s_machine() -> None:
    machine = tw.machine("loihi")
    with pytest.raises((TypeError, AttributeError)):
        machine.figures["static_power_w"] = None  # type: ignore[index]
    with pytest.raises((TypeError, AttributeError)):
        machine.traits["boundary"] = "system"  # type: ignore[index]
