"""onnxruntime, the same everywhere: sessions that run alike on every number of threads, and running them in batches."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache, partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import DataError, RefusedError, TwentyWattsError
from twentywatts.forms.library import FATAL, onnxruntime
from twentywatts.forms.limits import limited, session_memory
from twentywatts.forms.protocol import Inputs
from twentywatts.network import Network

__all__ = [
    "BatchRunner",
    "batch_limit",
    "check_inputs",
    "first_line",
    "folded_model",
    "one_blas_thread",
    "open_session",
    "sample_bytes",
    "sample_count",
    "shipped_session",
    "threads",
    "usual_session",
]

_CHUNK_BYTES = 2**26  # largest tensor of a batch; keeps a run of any model below about a gigabyte
_OUTPUT_BYTES = 2**32  # of all samples, as many as may be given
_MAX_BATCH = 256
_NO_MEMORY = ("Available memory of", "Failed to allocate memory", "std::bad_alloc")
_CONSTANTS_ARE_NO_INPUTS = 4  # version of the format from which constants need not be listed as inputs
_NUMPY_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(int8)": np.int8,
    "tensor(int16)": np.int16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}

Array = NDArray[Any]


def open_session(model: Path | bytes, *, what: str, optimise: bool = True, save_to: Path | None = None) -> Any:
    """Return an onnxruntime session with one thread, in program order; raises RefusedError with one line.

    what: the thing that runs, for the error. optimise: constant folding and fusion into standard operators. save_to:
    where the folded graph is written.
    """
    level = "ORT_ENABLE_BASIC" if optimise else "ORT_DISABLE_ALL"
    options = _options(level)
    options.add_session_config_entry("session.disable_quant_qdq", "1")  # exact integers, not this CPU's short cuts
    if save_to is not None:
        options.optimized_model_filepath = str(save_to)
    return _session(model, options, what)


def shipped_session(model: Path | bytes, *, what: str, save_to: Path | None = None) -> Any:
    """Return the session in which a model ships: one thread, every optimisation, quantised operators fused.

    It runs this processor's own kernels, whose integers may differ from exact ones: time and accuracy of what ships
    are both taken in this session. save_to: where the graph is written that runs in truth. Raises RefusedError with
    one line.
    """
    options = _options("ORT_ENABLE_ALL")
    if save_to is not None:
        options.optimized_model_filepath = str(save_to)
    return _session(model, options, what)


def usual_session(model: bytes, *, what: str) -> Any:
    """Return the session that a program gets where nobody says otherwise: all threads. Raises RefusedError."""
    return _session(model, _quiet_options(), what)


def _quiet_options() -> Any:
    """Return options with which nothing is logged: the words would be a file's own, unchecked."""
    options = onnxruntime().SessionOptions()
    options.log_severity_level = FATAL
    if _has_bounded_memory():
        options.add_session_config_entry("session.use_env_allocators", "1")
    return options


@cache
def _has_bounded_memory() -> bool:
    """Make the one pool of memory that all our sessions share, once; return whether there is one.

    A program's other sessions use it only where they ask for a shared pool; one that it made before stays, and is ours.
    """
    ort = onnxruntime()
    most_bytes = session_memory()
    if most_bytes is None:
        return False
    place = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    ort.create_and_register_allocator(place, ort.OrtArenaCfg({"max_mem": most_bytes}))
    return True


def _options(level: str) -> Any:
    options, ort = _quiet_options(), onnxruntime()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = getattr(ort.GraphOptimizationLevel, level)
    return options


def _session(model: Path | bytes, options: Any, what: str) -> Any:
    source = model if isinstance(model, bytes) else str(model)
    try:
        with limited(f"{what}: loading it", partial(_cancel, options)):
            return onnxruntime().InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except TwentyWattsError:
        raise
    except Exception as error:
        raise RefusedError(f"{what}: onnxruntime cannot load it: {_reason(error)}") from None


def _cancel(options: Any) -> None:
    """End the loading of a session, where this release of onnxruntime can."""
    if hasattr(options, "set_load_cancellation_flag"):
        options.set_load_cancellation_flag(True)


def folded_model(network: Network) -> Any:
    """Return the ModelProto with constants and BatchNorm folded, old opsets included; nothing is written beside it."""
    import onnx

    model = onnx.load(network.path)
    model.ir_version = max(model.ir_version, _CONSTANTS_ARE_NO_INPUTS)
    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [spec for spec in model.graph.input if spec.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(inputs)
    with tempfile.TemporaryDirectory() as folder:
        plain, folded = Path(folder, "plain.onnx"), Path(folder, "folded.onnx")
        onnx.save(model, plain)
        open_session(plain, what=f"model '{network.name}'", save_to=folded)
        return onnx.load(folded)


def run_session(session: Any, feeds: Mapping[str, Array], outputs: Sequence[str], *, what: str = "crossbar") -> Any:
    """Return the arrays named ``outputs``; raises RefusedError with onnxruntime's reason, naming the form ``what``.

    A run that takes too long is ended, between two operators or two turns of a loop (forms/limits.py).
    """
    options = onnxruntime().RunOptions()
    try:
        with limited(f"form {what}: one run of the model", partial(setattr, options, "terminate", True)):
            return session.run(list(outputs), dict(feeds), options)
    except TwentyWattsError:
        raise
    except Exception as error:
        raise RefusedError(f"form {what}: onnxruntime cannot run it: {_reason(error)}") from None


def with_outputs(model: Any, names: Sequence[str]) -> bytes:
    """Return a ModelProto, serialised, whose outputs are those tensors of ``names`` that its nodes make."""
    import onnx

    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    del changed.graph.output[:]
    made = {name for node in model.graph.node for name in node.output if name}
    wanted = [name for name in dict.fromkeys(names) if name in made] or [model.graph.output[0].name]
    changed.graph.output.extend(onnx.helper.make_empty_tensor_value_info(name) for name in wanted)
    return bytes(changed.SerializeToString())


def first_line(error: Exception, *, most: int = 300) -> str:
    """Return the first line of an exception's text, without onnxruntime's prefix, of at most so many characters."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else type(error).__name__
    return text.removeprefix("[ONNXRuntimeError] : ")[:most]


def _reason(error: Exception) -> str:
    """Return why onnxruntime could not: its first line without places in its own source, or that memory ran out."""
    text = str(error)
    if isinstance(error, MemoryError) or any(sign in text for sign in _NO_MEMORY):
        most_bytes = session_memory()
        most = "there is" if most_bytes is None else f"the {most_bytes / 2**30:.3g} GiB that models may take here"
        return f"it asks for more memory than {most}: a machine with more, or smaller samples, can run it"
    return re.sub(r"/onnxruntime_src/\S+ [^\[\]]*?\)( const)? (?=\S)", "", first_line(error, most=900))[:300]


def sample_count(inputs: Inputs) -> int:
    """Return the number of samples; raises DataError where the inputs disagree or hold none."""
    counts = {name: len(array) if np.ndim(array) else 0 for name, array in inputs.items()}
    if len(set(counts.values())) != 1 or 0 in counts.values():
        raise DataError(f"inputs need the same number of samples, at least one; got {counts}")
    return next(iter(counts.values()))


def check_inputs(session: Any, inputs: Inputs) -> dict[str, Array]:
    """Return the arrays that the session wants, in its element types; raises DataError naming what does not fit."""
    wanted = {spec.name: spec for spec in session.get_inputs()}
    missing = sorted(set(wanted) - set(inputs))
    if missing:
        raise DataError(f"the model needs inputs {sorted(wanted)}, the data have no {', '.join(map(repr, missing))}")
    sample_count({name: inputs[name] for name in wanted})
    return {name: _fitted(spec, np.asarray(inputs[name])) for name, spec in wanted.items()}


def _fitted(spec: Any, array: Array) -> Array:
    fits = len(spec.shape) == array.ndim and all(
        not isinstance(size, int) or size == given for size, given in zip(spec.shape[1:], array.shape[1:], strict=True)
    )
    if not fits:
        raise DataError(
            f"input '{spec.name}' has shape {array.shape}, wanted {_shape_text(spec.shape)} with samples first"
        )
    kind = _NUMPY_TYPES.get(spec.type)
    if kind is None:
        raise RefusedError(
            f"input '{spec.name}' is {spec.type}: only tensors of numbers can be fed; export the model without it"
        )
    return array.astype(kind, copy=False)


def _shape_text(shape: Sequence[int | str | None]) -> str:
    sizes = [str(size) if isinstance(size, int) else "any" for size in shape]
    return f"({', '.join(['samples', *sizes[1:]])})"


def batch_limit(network: Network) -> int:
    """Return how many samples run at once so that the largest tensor stays below 64 MB, from 1 to 256."""
    return int(max(1, min(_MAX_BATCH, _CHUNK_BYTES // sample_bytes(network))))


def sample_bytes(network: Network) -> float:
    """Return the bytes of the largest tensor that one sample takes, at least one byte."""
    sizes = [
        prod(size for size in spec.shape if isinstance(size, int)) * spec.bits / 8.0
        for spec in network.tensors.values()
        if spec.shape
    ]
    return max([1.0, *sizes]) / network.batch


def one_blas_thread() -> AbstractContextManager[object]:
    """Return a context in which NumPy's matrix products take one thread each, where threadpoolctl can see to that.

    Several runs at once then share the processors instead of fighting for them.
    """
    try:
        from threadpoolctl import threadpool_limits
    except ImportError:
        return nullcontext()
    return threadpool_limits(limits=1, user_api="blas")


@contextmanager
def threads(count: int | None) -> Iterator[ThreadPoolExecutor]:
    """Yield a pool of ``count`` threads; where something goes wrong, Ctrl-C among it, nobody waits for the rest."""
    pool = ThreadPoolExecutor(max_workers=max(1, count or 1))
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BatchRunner:
    """Runs all samples of a data set through a function that takes a batch, in parallel, in an order that is fixed.

    fixed: batch size that the model demands (the last batch is padded and cut), or None. limit: largest batch else.
    """

    fixed: int | None
    limit: int

    @classmethod
    def of(cls, session: Any, network: Network) -> BatchRunner:
        """Return the runner that a session's inputs allow."""
        sizes = {spec.shape[0] for spec in session.get_inputs() if spec.shape and isinstance(spec.shape[0], int)}
        return cls(fixed=max(sizes) if sizes else None, limit=batch_limit(network))

    @property
    def size(self) -> int:
        """Samples per batch."""
        return self.fixed or self.limit

    def batches(self, inputs: Mapping[str, Array]) -> list[tuple[dict[str, Array], int]]:
        """Return the batches and how many samples of each are real.

        A fixed batch is filled from the first sample on, so that no sample weighs much more in what is calibrated or
        counted than others.
        """
        count = sample_count(inputs)
        found = []
        for start in range(0, count, self.size):
            real = min(self.size, count - start)
            places = np.arange(start, start + (self.fixed or real)) % count
            whole = len(places) == real
            part = {name: array[start : start + real] if whole else array[places] for name, array in inputs.items()}
            found.append((part, real))
        return found

    def map(
        self, function: Callable[[dict[str, Array]], Array], inputs: Mapping[str, Array], *, workers: int = 4
    ) -> NDArray[np.float32]:
        """Return the outputs of all samples, samples first; raises RefusedError where they have no such axis.

        Raises DataError where they would take more than 4 GiB, once the first batch tells. workers: batches that run at
        once, at most as many as processors; 1 runs them strictly in order.
        """
        batches = self.batches(inputs)
        count = sum(real for _, real in batches)

        told: list[DataError] = []

        def run(item: tuple[dict[str, Array], int]) -> NDArray[np.float32]:
            if told:  # no further batch is begun
                raise told[0]
            try:
                return _bounded(_real(function(item[0]), self.fixed or item[1], item[1]), count)
            except DataError as error:
                told.append(error)
                raise

        with threads(min(workers, os.cpu_count() or 1)) as pool:
            outputs = list(pool.map(run, batches))
        return np.concatenate(outputs)


def _bounded(outputs: NDArray[np.float32], count: int) -> NDArray[np.float32]:
    """Return the outputs of a batch; raises DataError where those of ``count`` samples would be too many to hold."""
    total_bytes = outputs.nbytes // len(outputs) * count
    if total_bytes > _OUTPUT_BYTES:
        raise DataError(
            f"the outputs of {count:,} samples would take {total_bytes:,} bytes, at most {_OUTPUT_BYTES:,} are held: "
            f"give at most {_OUTPUT_BYTES * count // total_bytes:,} samples"
        )
    return outputs


def _real(output: Array, batch: int, real: int) -> NDArray[np.float32]:
    array = np.asarray(output, dtype=np.float32)
    if batch == 1 and (array.ndim == 0 or len(array) != 1):
        array = array[None]
    if array.ndim == 0 or len(array) != batch:
        raise RefusedError(
            f"the first output has shape {array.shape} for {batch} samples: its first axis must be theirs; export "
            "the model with samples first in what it takes and gives"
        )
    return array[:real]
