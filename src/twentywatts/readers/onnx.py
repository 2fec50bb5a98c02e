"""ONNX files: read safely, functions inlined, axes bound, shapes inferred; see docs/method/counting.md."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import ModelProto, TypeProto

from twentywatts.errors import ModelError, clean
from twentywatts.network import Network
from twentywatts.readers.axes import Binding, Shape, bind, declared_shape
from twentywatts.readers.files import read_bytes
from twentywatts.readers.nodes import Program, domain_of
from twentywatts.readers.specs import Kind, kind_of
from twentywatts.readers.tensors import MAX_SIZE, weight_of, weight_of_sparse
from twentywatts.readers.texts import check_model_texts
from twentywatts.readers.tracer import Tracer
from twentywatts.readers.wire import check_message_count

__all__ = ["read"]

Axes = Mapping[str, int]
_RECURRENT = frozenset(("LSTM", "GRU", "RNN"))
_ORDINALS = ("first", "second")


def read(path: Path, *, batch: int = 1, axes: Axes) -> Network:
    """Return the model of an ONNX file; raises ModelError with one line for a file that cannot be used.

    Open batch axes are bound to ``batch``. A file that fixes its batch at 1 is widened to ``batch`` where its own
    constants allow it; otherwise ``Network.batch`` says what the file holds, and a note says so.
    """
    path = Path(path)
    content = read_bytes(path)
    try:
        check_message_count(content)
        model = ModelProto.FromString(content)
        _check_model(model, path)
        return _network(model, path, batch=batch, axes=axes)
    except ModelError as error:
        text = str(error) if path.name in str(error) else f"'{path.name}': {error}"
        raise ModelError(clean(text)) from None  # names in a file may hold anything
    except DecodeError:
        raise ModelError(f"'{path}' is not an ONNX file, or it is cut short") from None
    except UnicodeDecodeError:
        raise ModelError(f"'{path}' holds names that are not text: it is not an ONNX file, or it is damaged") from None
    except RecursionError:
        raise ModelError(f"'{path}' is nested too deeply to be read") from None
    except MemoryError:
        raise ModelError(f"'{path}' asks for more memory than there is") from None


def _check_model(model: ModelProto, path: Path) -> None:
    if not model.HasField("graph") or not (model.graph.node or model.graph.output):
        raise ModelError(f"'{path}' holds no graph: it is not an ONNX model")
    if model.ir_version > onnx.IR_VERSION:
        raise ModelError(
            f"'{path}' is written in ONNX format {model.ir_version}, the installed onnx library knows up to "
            f"{onnx.IR_VERSION}: pip install -U onnx"
        )
    check_model_texts(model)
    for opset in [*model.opset_import, *(o for f in model.functions for o in f.opset_import)]:
        newest = onnx.defs.onnx_opset_version()
        if domain_of(opset.domain) == "" and not 1 <= opset.version <= newest:
            raise ModelError(
                f"'{path}' uses opset {opset.version}, the installed onnx library ({onnx.__version__}) knows 1 to "
                f"{newest}: pip install -U onnx, or export with an older opset"
            )


def _network(model: ModelProto, path: Path, *, batch: int, axes: Axes) -> Network:
    constants = {tensor.name for tensor in model.graph.initializer}
    constants |= {sparse.values.name for sparse in model.graph.sparse_initializer}
    fed = {value.name: value.type for value in model.graph.input if value.name not in constants}
    for name, kind in fed.items():
        kind_of(name, kind)  # an unknown element type ends here
    shapes = {n: declared_shape(k.tensor_type) if k.HasField("tensor_type") else None for n, k in fed.items()}
    for name, shape in shapes.items():
        if any(isinstance(size, int) and size > MAX_SIZE for size in shape or ()):
            raise ModelError(f"the input '{name}' declares the shape {list(shape or ())}")
    binding = bind(shapes, batch=batch, axes=axes)
    tracer = _trace(model, path, fed, binding=binding)
    axis = _batch_axis(tracer)
    held, notes = _held_batch(binding, batch, axis)
    if held != batch and held == 1 and axis == 0:
        wider = _widened(binding, batch)
        trial = _trace(model, path, fed, binding=wider)
        if _still_fits(trial, tracer, [value.name for value in model.graph.output], batch):
            tracer, binding, held = trial, wider, batch
            notes = (f"the file fixes its batch at 1; its first axes were widened to {batch}",)
    return _assemble(model, path, tracer, fed=tuple(fed), batch=held, notes=notes)


def _batch_axis(tracer: Tracer) -> int:
    """Return which axis of the inputs is the batch: the second where a recurrent layer takes time first."""
    for layer in tracer.layers:
        if layer.name in tracer.unknown or layer.op not in _RECURRENT or layer.domain:
            continue  # what is not understood may even lack its inputs
        if not layer.attributes.get("layout", 0) and layer.inputs[0] in tracer.tensors:
            return 1
    return 0


def _held_batch(binding: Binding, batch: int, axis: int) -> tuple[int, tuple[str, ...]]:
    """Return the batch that the file's shapes hold, and a note where it is not the one asked for."""
    sizes = [shape[axis] for shape in binding.shapes.values() if len(shape) > axis]
    if binding.has_open_batch or not sizes:
        return batch, ()
    held = sizes[0] if isinstance(sizes[0], int) and sizes[0] > 0 else 1
    if held == batch:
        return held, ()
    return held, (f"the file fixes its {_ORDINALS[axis]} axis at {held}, which is taken as its batch",)


def _widened(binding: Binding, batch: int) -> Binding:
    shapes = {name: (batch, *shape[1:]) if shape and shape[0] == 1 else shape for name, shape in binding.shapes.items()}
    return Binding(sizes=binding.sizes, shapes=shapes, is_widened=True)


def _still_fits(trial: Tracer, original: Tracer, outputs: list[str], batch: int) -> bool:
    """Tell whether widening the batch broke no layer, lost no shape and reached every output."""
    if not set(trial.unknown) <= set(original.unknown):
        return False
    for name in outputs:
        before, after = (t.tensors[name].shape if name in t.tensors else None for t in (original, trial))
        if before and before[0] == 1 and (not after or after[0] != batch):
            return False
    lost = (
        name
        for name, spec in original.tensors.items()
        if spec.element_count is not None and (name not in trial.tensors or trial.tensors[name].element_count is None)
    )
    return next(lost, None) is None


def _trace(model: ModelProto, path: Path, fed: Mapping[str, TypeProto], *, binding: Binding) -> Tracer:
    folder = path.parent
    program = Program(model)
    values = () if binding.is_widened else (*model.graph.value_info, *model.graph.output)
    declared = {value.name: _bound(value.name, value.type, binding) for value in values}
    tracer = Tracer(program, folder, declared)
    for name, kind in fed.items():
        tracer.add_tensor(name, _bound(name, kind, binding, binding.shapes.get(name)))
    for tensor in model.graph.initializer:
        tracer.add_weight(tensor.name, weight_of(tensor, folder))
    for sparse in model.graph.sparse_initializer:
        tracer.add_weight(sparse.values.name, weight_of_sparse(sparse, folder))
    tracer.run(program.nodes(model.graph.node, program.root))
    return tracer


def _bound(name: str, proto: TypeProto, binding: Binding, shape: Shape | None = None) -> Kind:
    """Return what a declared type says, with the sizes of its open axes put in."""
    if not proto.HasField("tensor_type"):
        return kind_of(name, proto)
    shape = shape if shape is not None else binding.apply(declared_shape(proto.tensor_type))
    return kind_of(name, onnx.helper.make_tensor_type_proto(proto.tensor_type.elem_type, shape))


def _assemble(
    model: ModelProto, path: Path, tracer: Tracer, *, fed: tuple[str, ...], batch: int, notes: tuple[str, ...]
) -> Network:
    outputs = []
    for value in model.graph.output:
        if value.name not in tracer.tensors and value.name not in tracer.weights:
            raise ModelError(f"the output '{value.name}' is made by no layer")
        outputs.append(tracer.tensors.get(value.name) or kind_of(value.name, value.type).spec)
    return Network(
        name=model.graph.name or path.stem,
        path=path,
        inputs=tuple(tracer.tensors[name] for name in fed),
        outputs=tuple(outputs),
        layers=tuple(tracer.layers),
        tensors=tracer.tensors,
        weights=tracer.weights,
        unknown=tracer.unknown,
        batch=batch,
        notes=notes,
    )
