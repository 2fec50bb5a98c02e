"""Models that nobody vouches for: loops without end, tensors without bound, products without number."""

import os
import signal
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import NodeProto, TensorProto, helper
from tests.support.onnx_models import constant, info, model_of, save, zeros

import twentywatts as tw
from twentywatts.errors import InputError, RefusedError
from twentywatts.forms import library, limits
from twentywatts.forms.int8 import quantised
from twentywatts.forms.library import onnxruntime, silence, unlogged
from twentywatts.forms.limits import VARIABLE, Watchdog, check_products, check_simulation, limit_s
from twentywatts.forms.lowering import lower
from twentywatts.forms.protocol import build, settings_of
from twentywatts.forms.runtime import _has_bounded_memory, open_session, run_session
from twentywatts.machines import load, traits_of
from twentywatts.readers import read

FEEDS = {"x": np.ones((2, 4), np.float32)}


def loop(given: str, made: str, inside: list[NodeProto], mark: str) -> NodeProto:
    """A loop of 2^40 turns over one tensor, which it calls v and then o."""
    body = helper.make_graph(
        [helper.make_node("Identity", [f"c{mark}"], [f"d{mark}"]), *inside],
        f"body{mark}",
        [info(f"i{mark}", [], TensorProto.INT64), info(f"c{mark}", [], TensorProto.BOOL), info(f"v{mark}", None)],
        [info(f"d{mark}", [], TensorProto.BOOL), info(f"o{mark}", None)],
    )
    return helper.make_node("Loop", ["turns", "on", given], [made], body=body)


def endless(*, is_nested: bool) -> bytes:
    sine = helper.make_node("Sin", ["v2" if is_nested else "v1"], ["o2" if is_nested else "o1"])
    inside = [loop("v1", "o1", [sine], "2")] if is_nested else [sine]
    constants = [constant("turns", 2**40), constant("on", True, np.bool_), zeros("w", 4, 3)]
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), loop("h", "y", inside, "1")]
    return bytes(model_of(nodes, [info("x", ["n", 4])], ["y"], constants).SerializeToString())


@pytest.mark.parametrize("is_nested", [False, True])
def test_a_loop_without_end_is_ended(is_nested: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    session = open_session(endless(is_nested=is_nested), what="the model")
    monkeypatch.setenv(VARIABLE, "0.01")
    with pytest.raises(RefusedError, match=f"took longer than 0.01 s and was ended.* set {VARIABLE} to more"):
        run_session(session, FEEDS, ["y"])


def test_verbs_end_a_model_that_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "0.01")
    model = tmp_path / "m.onnx"
    model.write_bytes(endless(is_nested=False))
    data = (np.ones((60, 4), np.float32), np.arange(60) % 3)
    for verb in (tw.compare, tw.slim):
        with pytest.raises(RefusedError, match=VARIABLE):
            verb(model, data, on="this-cpu")


def test_a_tensor_without_bound_is_told_as_memory() -> None:
    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["c"]),
        helper.make_node("ReduceSum", ["c"], ["s"], keepdims=0),
        helper.make_node("Add", ["x", "s"], ["y"]),
    ]
    model = model_of(nodes, [info("x", ["n", 4])], ["y"], [constant("size", [2**42])])
    session = open_session(bytes(model.SerializeToString()), what="the model")
    with pytest.raises(RefusedError, match="asks for more memory than"):
        run_session(session, FEEDS, ["y"])


@pytest.mark.parametrize("verb", [tw.compare, tw.slim])
def test_products_without_number_are_not_begun(verb: Any, tmp_path: Path) -> None:
    nodes = [
        helper.make_node("ConstantOfShape", ["size"], ["c"]),
        helper.make_node("MatMul", ["c", "c"], ["p"]),
        helper.make_node("ReduceSum", ["p"], ["s"], keepdims=0),
        helper.make_node("Add", ["x", "s"], ["y"]),
    ]
    path = save(model_of(nodes, [info("x", ["n", 4])], ["y"], [constant("size", [2**20, 2**20])]), tmp_path)
    data = (np.ones((60, 4), np.float32), np.arange(60) % 3)
    with pytest.raises(InputError, match=f"1.15e\\+18 multiply-accumulates.* set {VARIABLE} to more"):
        verb(path, data, on="this-cpu")


def test_sessions_of_ours_leave_the_log_of_the_program_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[int] = []
    monkeypatch.setattr(onnxruntime(), "set_default_logger_severity", told.append)
    _has_bounded_memory.cache_clear()
    run_session(open_session(plain(), what="the model"), FEEDS, ["y"])
    assert told == []
    silence.cache_clear()
    with unlogged():
        assert told == [4]
    assert told == [4, 2]
    silence()  # as the command does, whose program it is
    with unlogged():
        pass
    assert told == [4, 2, 4, 4]
    silence.cache_clear()


def plain() -> bytes:
    nodes = [helper.make_node("Relu", ["x"], ["y"])]
    return bytes(model_of(nodes, [info("x", ["n", 4])], ["y"]).SerializeToString())


@pytest.mark.parametrize(("said", "kept"), [(None, "1"), ("0", "0")])
def test_the_runtime_reports_to_nobody_unless_told_to(
    said: str | None, kept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    if said is not None:
        monkeypatch.setenv("ORT_DISABLE_TELEMETRY", said)
    assert onnxruntime("quantization").__name__ == "onnxruntime.quantization"
    assert os.environ["ORT_DISABLE_TELEMETRY"] == kept


def test_a_cache_of_files_does_not_count_as_taken(tmp_path: Path) -> None:
    for name, text in (
        ("max", "8000"),
        ("current", "7900"),
        ("stat", "anon 900\nactive_file 3000\ninactive_file 4000"),
    ):
        (tmp_path / f"memory.{name}").write_text(text)
    assert limits._group(tmp_path) == 7100
    (tmp_path / "memory.current").write_text("99000")
    assert limits._group(tmp_path) == 0
    (tmp_path / "memory.max").write_text("max")
    assert limits._group(tmp_path) is None


def test_a_machine_short_of_memory_still_runs_models(monkeypatch: pytest.MonkeyPatch) -> None:
    told = limits.session_memory.__wrapped__
    for free, most in ((0, 2**30), (16 * 2**30, 8 * 2**30), (None, None)):
        monkeypatch.setattr(limits, "available_bytes", lambda free=free: free)
        assert told() == most


def test_ctrl_c_while_the_runtime_is_loaded_is_no_missing_package(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(name: str) -> None:
        signal.raise_signal(signal.SIGINT)
        raise ImportError("import numpy failed")

    before = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr(library, "import_module", interrupted)
    with pytest.raises(KeyboardInterrupt):
        library.onnxruntime()
    assert signal.getsignal(signal.SIGINT) is before


def test_honest_work_is_let_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    check_products(1e12, "a large model")


def test_the_watchdog_stops_what_is_late_and_nothing_else() -> None:
    now = [0.0]
    watchdog, stopped = Watchdog(clock=lambda: now[0]), []
    with watchdog.watched(lambda: stopped.append("short"), 5.0) as short:
        with watchdog.watched(lambda: stopped.append("long"), 50.0) as long, watchdog.watched(print, 1.0):
            pass
        with watchdog.watched(lambda: stopped.append("long"), 50.0):
            now[0] = 10.0
            assert watchdog.look()
            assert watchdog.look()
        assert (short.is_over, long.is_over) == (True, False)
    assert stopped == ["short"]
    assert not watchdog.look()


@pytest.mark.parametrize("text", ["", "  "])
def test_five_minutes_unless_told_otherwise(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, text)
    assert limit_s() == 300


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "five", "1e999", "1 h"])
def test_a_limit_is_a_number_of_seconds(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, text)
    with pytest.raises(InputError, match="seconds above 0"):
        limit_s()


def conv_model(kernel: int, pad: int, *, pools: bool = False) -> Any:
    size = info("x", ["n", 1, 30_000])
    if pools:
        nodes = [
            helper.make_node("Relu", ["x"], ["r"]),
            helper.make_node("MaxPool", ["r"], ["y"], kernel_shape=[kernel], pads=[pad, pad]),
        ]
        return model_of(nodes, [size], ["y"])
    return model_of(
        [helper.make_node("Conv", ["x", "w"], ["y"], pads=[pad, pad])], [size], ["y"], [zeros("w", 1, 1, kernel)]
    )


@pytest.mark.parametrize("pools", [False, True])
def test_connections_without_number_are_not_listed(pools: bool, tmp_path: Path) -> None:
    network = read(save(conv_model(5001, 2500, pools=pools), tmp_path), batch=1, axes={})
    with pytest.raises(RefusedError, match=r"150,030,000 pairs of a position .* smaller windows"):
        lower(network)


def test_a_simulation_of_days_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    check_simulation(1e12, "100 samples on arrays")
    with pytest.raises(
        RefusedError, match=f"100 samples on arrays may take 1e.15 additions.* fewer samples, or set {VARIABLE}"
    ):
        check_simulation(1e15, "100 samples on arrays")


@pytest.mark.parametrize(("form", "machine"), [("spiking", "loihi"), ("crossbar", "neurram")])
def test_simulations_count_what_they_take(
    form: str, machine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = model_of([helper.make_node("MatMul", ["x", "w"], ["y"])], [info("x", ["n", 4])], ["y"], [zeros("w", 4, 3)])
    traits = traits_of(load(machine))
    assert traits is not None
    data = {"x": np.ones((20, 4), np.float32)}
    network = read(save(model, tmp_path), batch=1, axes={})
    built = build(form, network, traits, calibration=data, setting=settings_of(form, traits)[0])
    built.run(data)
    monkeypatch.setenv(VARIABLE, "1e-9")  # 200 additions; 20 samples of twelve weights are more
    with pytest.raises(RefusedError, match=r"simulating 20 samples .* may take"):
        built.run({"x": data["x"] + 1})


def test_more_layers_than_the_quantiser_ends_with_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("twentywatts.forms.int8._MOST_LAYERS", 3)
    names = ["x", *(f"h{index}" for index in range(4)), "y"]
    nodes = [helper.make_node("Sin", [a], [b]) for a, b in pairwise(names)]
    network = read(save(model_of(nodes, [info("x", ["n", 4])], ["y"]), tmp_path), batch=1, axes={})
    with pytest.raises(RefusedError, match=r"has 5 layers, .* grows with their square, is given at most 3"):
        quantised(network, FEEDS)
