"""SpikingNetwork refuses what cannot be run, when it is made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from twentywatts.errors import InputError
from twentywatts.network_spiking import (
    Conv,
    Dense,
    Emission,
    Neurons,
    OneToOne,
    Pool,
    Projection,
    SpikingLayer,
    SpikingNetwork,
)


def network(**how: Any) -> SpikingNetwork:
    """Return two neurons that hear an input of three, with a part replaced."""
    projection = Projection(source=how.get("source", "x"), synapses=how.get("synapses", Dense(weight=np.ones((2, 3)))))
    more = how.get("more", ())
    one = SpikingLayer(
        name=how.get("name", "a"), neurons=Neurons(shape=(2,)), projections=(projection, *more), bias=how.get("bias")
    )
    return SpikingNetwork(inputs={"x": (3,)}, layers=(one,), outputs=how.get("outputs", ()))


def loop(delay: int) -> Projection:
    return Projection(source="a", synapses=Dense(weight=np.ones((2, 2))), delay_steps=delay)


BAD: list[tuple[Callable[[], object], str]] = [
    (lambda: Dense(weight=np.array([[np.nan]])), "NaN"),
    (lambda: Dense(weight=np.ones(3)), "2 axes"),
    (lambda: Dense(weight=np.array([["a"]])), "float32 or int8"),
    (lambda: Dense(weight=np.zeros((0, 3))), "empty"),
    (lambda: Conv(weight=np.ones((4, 1, 3, 3)), groups=3), "groups"),
    (lambda: Conv(weight=np.ones((4, 1, 3, 3)), stride=0), "stride"),
    (lambda: Conv(weight=np.ones((4, 1, 3, 3)), padding=0.5), "padding"),
    (lambda: Conv(weight=np.ones((4, 1))), "spatial axes"),
    (lambda: Pool(kernel=(0, 2)), "positive"),
    (lambda: Neurons(shape=(2,), threshold=0.0), "above 0"),
    (lambda: Neurons(shape=(2,), threshold=[1.0, -1.0]), "above 0"),
    (lambda: Neurons(shape=(2,), threshold=np.nan), "NaN"),
    (lambda: Neurons(shape=(2,), threshold=np.ones(3)), "does not fit"),
    (lambda: Neurons(shape=(2,), decay=1.5), "share of a state"),
    (lambda: Neurons(shape=()), "shape"),
    (lambda: Neurons(shape=(2,), most_spikes=0), "at least 1"),
    (lambda: Neurons(shape=(2,), emission=Emission.MANY, delayed_reset=True), "delayed reset"),
    (lambda: Projection(source="x", synapses=Pool(kernel=(2,)), delay_steps=-1), "whole steps"),
    (lambda: Projection(source="x", synapses=Pool(kernel=(2,)), scale=0.0), "scale"),
    (lambda: network(source="y"), "no input or layer is named 'y'"),
    (lambda: network(synapses=Dense(weight=np.ones((2, 4)))), "take 4 inputs"),
    (lambda: network(synapses=Dense(weight=np.ones((3, 3)))), "reach shape"),
    (lambda: network(synapses=OneToOne(weight=np.ones(2))), "do not fit"),
    (lambda: network(synapses=Conv(weight=np.ones((2, 1, 3)))), "the source has shape"),
    (lambda: network(name="x"), "are named 'x'"),
    (lambda: network(outputs=("b",)), "is not a layer"),
    (lambda: network(bias=[1.0, np.inf]), "NaN or infinity"),
    (lambda: network(bias=np.ones(5)), "bias"),
    (lambda: network(more=(loop(0),)), "loop without delay"),
    (lambda: SpikingNetwork(inputs={}, layers=()), "at least one"),
]


@pytest.mark.parametrize(("make", "words"), BAD)
def test_what_cannot_be_run_is_refused(make: Callable[[], object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        make()


def test_a_loop_with_delay_is_a_network() -> None:
    made = network(more=(loop(1),))
    assert [one.name for one in made.in_order()] == ["a"]
    assert (made.neuron_count, made.results, made.shape_of("x")) == (2, ("a",), (3,))


def test_windows_are_counted_as_convolutions_are() -> None:
    conv = Conv(weight=np.ones((4, 2, 3, 2)), stride=(2, 1), padding=((1, 0), (0, 1)), dilation=1)
    assert conv.out_shape((2, 7, 5)) == (4, 3, 5)
    assert Pool(kernel=(2, 2), stride=2).out_shape((4, 8, 6)) == (4, 4, 3)
    with pytest.raises(InputError, match="does not fit"):
        conv.out_shape((2, 1, 1))
