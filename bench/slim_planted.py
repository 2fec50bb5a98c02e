"""Failures planted for bench/slim_claims.py: steps that do nothing, steps that cost, models that were damaged."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from slim_measured import BATCHES, right, samples, shipped
from twentywatts.comparison.bound import judge
from twentywatts.errors import RefusedError
from twentywatts.slimming.candidate import Candidate, Step
from twentywatts.slimming.proof.trial import opened
from twentywatts.slimming.timing.measuring import Rounds, against, interleaved, session_call
from twentywatts.slimming.timing.noop import Standing, effect

LIMIT = 0.01
IDLE = ("int8", "int4", "prune", "lowrank", "fold", "distil", "qat", "zeros")
CAUGHT = (Standing.NONE, Standing.COSTS)


def report(home: Path) -> None:
    """Print what was planted into a home's model, and whether it was caught."""
    base = Candidate(content=(home / "model.onnx").read_bytes())
    rows = [*_idle(base), *_clocked(base, home), *_damaged(base, home)]
    print("| planted | what is said | caught |\n|---|---|---|")
    for what, said, is_caught in rows:
        print(f"| {what} | {said} | {'yes' if is_caught else 'NO'} |")
    print(f"\n{sum(row[2] for row in rows)} of {len(rows)} are caught")


def changed(base: Candidate, name: str, change: Callable[[Any], None] = lambda model: None) -> Candidate:
    """Return the model after a step of this name that changed its graph by ``change``, and its file in any case."""
    model = onnx.load_from_string(base.content)
    change(model)
    model.doc_string = f"after {name}"
    return base.then(Step(name=name), model.SerializeToString())


def _idle(base: Candidate) -> list[tuple[str, str, bool]]:
    """Return every step under which nothing changed but the file."""
    rows = []
    for name in IDLE:
        found = effect(base, changed(base, name))
        rows.append((f"{name} that changes nothing", found.sentence, found.standing is Standing.NONE))
    return rows


def _clocked(base: Candidate, home: Path) -> list[tuple[str, str, bool]]:
    """Return steps that only the clock tells: zeros that no kernel skips, int8 that costs."""
    inputs, _ = samples(home, "train")
    steps = {
        "half of all weights zero": changed(base, "zeros", _weights(_half_zero)),
        "nine in ten weights zero": changed(base, "zeros", _weights(_most_zero)),
        "the same model and a dozen needless additions": changed(base, "prune", _padded),
        "int8 by dynamic ranges": base.then(Step(name="int8"), _dynamic(base)),
    }
    rows = []
    for what, after in steps.items():
        calls = {name: session_call(shipped(one.content), inputs, batch=BATCHES[0])
                 for name, one in (("before", base), ("after", after))}  # fmt: skip
        timings = interleaved(calls, count=BATCHES[0], plan=Rounds(rounds=25))
        found = effect(base, after, saving=against(timings["before"], timings["after"]))
        rows.append((what, found.sentence, found.standing in CAUGHT))
    return rows


def _damaged(base: Candidate, home: Path) -> list[tuple[str, str, bool]]:
    """Return models whose weights were damaged until they lose two points or more, and one that answers nothing."""
    was = np.concatenate([right(shipped(base.content), home, part) for part in ("data", "test")])
    rows = []
    for seed in range(10):
        generator = np.random.Generator(np.random.PCG64(seed))
        scale, now = 0.0, was
        while was.mean() - now.mean() < 0.02:
            scale += 0.02
            noisy = changed(base, "distil", _weights(_noise(generator, scale)))
            now = np.concatenate([right(shipped(noisy.content), home, part) for part in ("data", "test")])
        found = judge(int((was & ~now).sum()), int((~was & now).sum()), len(was), LIMIT)
        drop = 100 * (was.mean() - now.mean())
        rows.append((f"noise on the weights, {drop:.1f} points lost", found.sentence, found.keeps is not True))
    nothing = changed(base, "distil", _weights(lambda array: array * np.float32("nan")))
    rows.append(("weights that are not numbers", *_refusal(nothing, home)))
    return rows


def _refusal(candidate: Candidate, home: Path) -> tuple[str, bool]:
    from twentywatts.readers.samples import Samples

    inputs, targets = samples(home, "test")
    try:
        opened(candidate).outputs(Samples(name="test", inputs=inputs, targets=targets))
    except RefusedError as error:
        return str(error), True
    return "accepted", False


def _weights(to: Callable[[np.ndarray], np.ndarray]) -> Callable[[Any], None]:
    """Return a change of every weight of two or more axes."""

    def change(model: Any) -> None:
        for tensor in model.graph.initializer:
            array = numpy_helper.to_array(tensor)
            if array.ndim > 1 and array.dtype == np.float32:
                tensor.CopyFrom(numpy_helper.from_array(to(array).astype(np.float32), tensor.name))

    return change


def _half_zero(array: np.ndarray) -> np.ndarray:
    return np.where(np.abs(array) < np.median(np.abs(array)), 0, array)


def _most_zero(array: np.ndarray) -> np.ndarray:
    return np.where(np.abs(array) < np.quantile(np.abs(array), 0.9), 0, array)


def _noise(generator: np.random.Generator, scale: float) -> Callable[[np.ndarray], np.ndarray]:
    return lambda array: array + scale * array.std() * generator.standard_normal(array.shape)


def _padded(model: Any) -> None:
    """Add channels that do nothing: shapes change, and the work grows."""
    graph = model.graph
    name = graph.output[0].name
    node = next(node for node in graph.node if name in node.output)
    node.output[list(node.output).index(name)] = "before_0"
    size = 10
    graph.initializer.append(numpy_helper.from_array(np.zeros((1, size), np.float32), "nothing"))
    graph.initializer.append(numpy_helper.from_array(np.eye(size, dtype=np.float32), "same"))
    for place in range(12):
        middle, last = f"between_{place}", name if place == 11 else f"before_{place + 1}"
        graph.node.append(onnx.helper.make_node("MatMul", [f"before_{place}", "same"], [middle]))
        graph.node.append(onnx.helper.make_node("Add", [middle, "nothing"], [last]))


def _dynamic(base: Candidate) -> bytes:
    """Return the model by onnxruntime's dynamic quantisation, which costs on convolutions."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "float.onnx"), Path(folder, "int8.onnx")
        model = onnx.load_from_string(base.content)
        del model.graph.value_info[:]  # what the exporter noted of shapes is not what the quantiser infers
        onnx.save(model, source)
        quantize_dynamic(str(source), str(target), weight_type=QuantType.QUInt8)
        return target.read_bytes()
