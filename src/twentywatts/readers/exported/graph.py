"""The graph of a ``.pt2`` archive, rebuilt from what is known to be harmless.

torch turns a graph into Python text and runs it, resolves targets by attribute from ``torch`` (``torch.os.system`` is
one), evaluates sizes and guards, and imports modules for tree specifications. So: targets are operators of the aten
library or arithmetic of sizes, names are plain, texts hold no quotes, sizes follow a grammar, guards are dropped.
"""

from __future__ import annotations

import json
import re
from typing import Any

from twentywatts.errors import ModelError, clean
from twentywatts.readers.exported.archive import WAY_OUT
from twentywatts.readers.exported.checks import (
    Rule,
    argument_name,
    dotted,
    flag,
    identifier,
    list_of,
    maybe,
    number,
    one_of,
    record,
    short_text,
    table,
    whole,
)
from twentywatts.readers.exported.expressions import is_symbol, size_expression

__all__ = ["TENSOR", "clean_graph"]

_MAX_JSON_BYTES = 256 * 2**20
_SCHEMA_MAJOR = 8
_ATEN = re.compile(r"torch\.ops\.aten\.([A-Za-z0-9_]+)\.([A-Za-z0-9_]+)")
_FILES = frozenset(("from_file", "save"))  # operators that open a file by name
_SIZES = frozenset(
    "_operator.mul _operator.add _operator.sub _operator.floordiv _operator.mod _operator.truediv _operator.neg "
    "_operator.pos _operator.eq _operator.ne _operator.le _operator.ge _operator.lt _operator.gt _operator.and_ "
    "_operator.or_ math.trunc torch.sym_not torch.sym_int torch.sym_float torch.sym_ite torch.sym_max torch.sym_min "
    "torch.sym_sqrt".split()
)
_CONTAINERS = frozenset(("builtins.tuple", "builtins.list", "builtins.dict"))
_MODULES = re.compile(r"[A-Za-z0-9_.,;@<>\[\]]*")
_DIALECTS = frozenset(("ATEN", "TRAINING"))


def _cpu(value: Any) -> dict[str, Any]:
    """Say the processor whatever device was noted: nothing is run on it, and it is there."""
    return {"type": "cpu", "index": None}


def _target(value: Any) -> str:
    if isinstance(value, str) and value in _SIZES:
        return value
    found = _ATEN.fullmatch(value) if isinstance(value, str) else None
    if found is None or found[1] in _FILES or not _is_operator(found[1], found[2]):
        raise ModelError(
            f"the .pt2 calls {clean(repr(value)[:80])}, which is no operator of torch's aten library: {WAY_OUT}"
        )
    return str(value)


def _is_operator(name: str, overload: str) -> bool:
    import torch

    known = f"aten::{name}" if overload == "default" else f"aten::{name}.{overload}"
    try:
        is_there = torch._C._dispatch_has_kernel(known)
    except RuntimeError:  # not even a legal name
        return False
    return is_there and isinstance(getattr(getattr(torch.ops.aten, name), overload), torch._ops.OpOverload)


def _symbol(value: Any) -> str:
    if not is_symbol(value):
        raise ModelError(f"the .pt2 archive bounds {clean(repr(value)[:80])}, which is no symbol of a size")
    return str(value)


def _metadata(value: Any) -> dict[str, str]:
    """Keep the modules that a node comes from, which name the layers; stack traces and the rest are dropped."""
    stack = value.get("nn_module_stack") if isinstance(value, dict) else None
    return {"nn_module_stack": stack} if isinstance(stack, str) and _MODULES.fullmatch(stack) else {}


def _tree(value: Any) -> str:
    """Return how inputs or outputs are nested: tuples, lists and dicts by plain names alone."""
    try:
        version, spec = json.loads(value)
    except (TypeError, ValueError, RecursionError):
        raise ModelError("the .pt2 archive says in no known way how its inputs are nested") from None
    return json.dumps([whole(version), _branch(spec)])


def _branch(spec: Any) -> dict[str, Any]:
    kind = spec.get("type") if isinstance(spec, dict) else spec
    if not isinstance(spec, dict) or not (kind is None or (isinstance(kind, str) and kind in _CONTAINERS)):
        raise ModelError(f"inputs or outputs of the .pt2 lie in {clean(repr(kind)[:80])}, not in a tuple: {WAY_OUT}")
    context = None if kind is None else "null"
    if kind == "builtins.dict":
        context = json.dumps(list_of(identifier)(json.loads(spec["context"])))
    return {"type": kind, "context": context, "children_spec": list_of(_branch)(spec.get("children_spec"))}


def _dialects(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(x, str) and x in _DIALECTS for x in value):
        raise ModelError(f"the .pt2 is of the dialect {clean(repr(value)[:80])}, wanted ATEN or TRAINING: {WAY_OUT}")
    return value


def _strided(value: Any) -> int:
    if value != 7:
        raise ModelError(f"the .pt2 holds tensors that are sparse or of another unusual layout: {WAY_OUT}")
    return 7


def _nothing(empty: Any) -> Rule:
    return lambda value: empty


_NAMED = record(name=identifier)
_HINT = one_of(as_int=whole, as_bool=flag, as_float=number)
_TEXT = record(expr_str=size_expression, hint=maybe(_HINT))
_SYM_INT = one_of(as_expr=_TEXT, as_int=whole)
_SYM_FLOAT = one_of(as_expr=_TEXT, as_float=number)
_SYM_BOOL = one_of(as_expr=_TEXT, as_bool=flag)
_INT = one_of(as_name=identifier, as_int=whole)
_FLOAT = one_of(as_name=identifier, as_float=number)
_BOOL = one_of(as_name=identifier, as_bool=flag)
_OPTIONAL = one_of(as_tensor=_NAMED, as_none=flag)
_PLAIN: dict[str, Rule] = {
    "as_none": flag, "as_int": whole, "as_float": number, "as_string": short_text, "as_bool": flag
}  # fmt: skip
TENSOR = record(
    dtype=whole,
    sizes=list_of(_SYM_INT),
    requires_grad=flag,
    device=_cpu,
    strides=list_of(_SYM_INT),
    storage_offset=_SYM_INT,
    layout=_strided,
)
_ARGUMENT = one_of(
    **_PLAIN,
    as_tensor=_NAMED,
    as_tensors=list_of(_NAMED),
    as_ints=list_of(whole),
    as_floats=list_of(number),
    as_bools=list_of(flag),
    as_sym_int=_INT,
    as_sym_ints=list_of(_INT),
    as_sym_float=_FLOAT,
    as_sym_floats=list_of(_FLOAT),
    as_sym_bool=_BOOL,
    as_scalar_type=whole,
    as_memory_format=whole,
    as_layout=whole,
    as_device=_cpu,
    as_optional_tensor=_OPTIONAL,
    as_optional_tensors=list_of(_OPTIONAL),
    as_complex=record(real=number, imag=number),
)
_NODE = record(
    target=_target,
    inputs=list_of(record(name=argument_name, arg=_ARGUMENT, kind=maybe(whole))),
    outputs=list_of(_ARGUMENT),
    metadata=_metadata,
    is_hop_single_tensor_return=maybe(flag),
    name=maybe(identifier),
)
_GRAPH = record(
    inputs=list_of(_ARGUMENT),
    outputs=list_of(_ARGUMENT),
    nodes=list_of(_NODE),
    tensor_values=table(identifier, TENSOR),
    sym_int_values=table(identifier, _SYM_INT),
    sym_bool_values=table(identifier, _SYM_BOOL),
    is_single_tensor_return=flag,
    custom_obj_values=_nothing({}),
    sym_float_values=table(identifier, _SYM_FLOAT),
)
_SIGNATURE = record(
    input_specs=list_of(
        one_of(
            user_input=record(arg=_ARGUMENT),
            parameter=record(arg=_NAMED, parameter_name=dotted),
            buffer=record(arg=_NAMED, buffer_name=dotted, persistent=flag),
            tensor_constant=record(arg=_NAMED, tensor_constant_name=dotted),
            constant_input=record(name=identifier, value=one_of(**_PLAIN)),
        )
    ),
    output_specs=list_of(
        one_of(
            user_output=record(arg=_ARGUMENT),
            buffer_mutation=record(arg=_NAMED, buffer_name=dotted),
            user_input_mutation=record(arg=_NAMED, user_input_name=identifier),
        )
    ),
)
_CALL = record(
    inputs=list_of(_ARGUMENT),
    outputs=list_of(_ARGUMENT),
    in_spec=_tree,
    out_spec=_tree,
    forward_arg_names=maybe(list_of(identifier)),
)


def _calls(value: Any) -> list[Any]:
    """Keep how the whole is called; how its parts were called matters to those who take it apart."""
    if not isinstance(value, list) or not value:
        raise ModelError("the .pt2 archive does not say how its program is called")
    return [{"fqn": "", "signature": record(signature=_CALL)(value[0])["signature"]}]


_PROGRAM = record(
    graph_module=record(
        graph=_GRAPH,
        signature=_SIGNATURE,
        module_call_graph=_calls,
        metadata=_nothing({}),
        treespec_namedtuple_fields=_nothing({}),
    ),
    opset_version=table(identifier, whole),
    range_constraints=table(_symbol, record(min_val=maybe(whole), max_val=maybe(whole))),
    schema_version=record(major=whole, minor=whole),
    verifiers=_dialects,
    torch_version=_nothing(""),
    guards_code=_nothing([]),  # Python text that torch would run before each call
)


def clean_graph(content: bytes) -> bytes:
    """Return the JSON of a program made anew of known parts; raises ModelError for a part that is not known."""
    if len(content) > _MAX_JSON_BYTES:
        raise ModelError(f"the graph of the .pt2 has {len(content)} bytes, at most {_MAX_JSON_BYTES} are read")
    try:
        program = json.loads(content)
        major = program["schema_version"]["major"]
        if major != _SCHEMA_MAJOR:
            raise ModelError(f"the .pt2 is of schema {clean(repr(major)[:20])}, known is {_SCHEMA_MAJOR}: {WAY_OUT}")
        return json.dumps(_PROGRAM(program), allow_nan=False).encode()
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"the graph of the .pt2 cannot be read ({type(error).__name__})") from None
