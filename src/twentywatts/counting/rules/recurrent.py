"""Recurrent layers: LSTM, GRU and RNN, from their weights (directions, gates × hidden, inputs)."""

from __future__ import annotations

from twentywatts.counting.view import LayerView, UnknownWorkError, Work

__all__ = ["RULES"]

_GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}
# per hidden unit and step, next to the products: gates (4 for a sigmoid, 1 for tanh), state updates
_OPS = {"LSTM": 3 * 4 + 2 + 4, "GRU": 2 * 4 + 1 + 4, "RNN": 1}


def _recurrent(view: LayerView) -> Work:
    """Return steps × batch × directions × gates × hidden × (inputs + hidden) multiply-accumulates, and the gates."""
    data, weight, recurrence = view.shape(0), view.shape(1), view.shape(2)
    gates = _GATES[view.layer.op]
    if len(data) != 3 or len(weight) != 3 or len(recurrence) != 3:
        raise UnknownWorkError("data and weights of a recurrent layer have three axes")
    directions, rows, inputs = weight
    hidden = recurrence[2]
    if rows != gates * hidden or data[2] != inputs or recurrence[:2] != (directions, rows):
        raise UnknownWorkError(f"data {list(data)} do not fit weights {list(weight)} and {list(recurrence)}")
    steps = data[0] * data[1] * directions
    bias = rows if view.has(3) else 0
    ops = steps * (_OPS[view.layer.op] * hidden + rows + bias)
    return Work(mac_count=steps * rows * (inputs + hidden), op_count=ops, skipped=(4,))


RULES = {("", op): _recurrent for op in _GATES}
