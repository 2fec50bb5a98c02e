"""Streams: the same spikes as a run of all at once, in constant memory; recordings; what cannot be fed."""

from __future__ import annotations

import struct
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twentywatts.errors import InputError, MissingExtraError
from twentywatts.forms.spiking import AddressEvents, EventStream, SpikingEngine, event_chunks
from twentywatts.network_spiking import Conv, Dense, Neurons, Projection, SpikingLayer, SpikingNetwork

ROWS, COLUMNS = 6, 5


@pytest.fixture(scope="module")
def engine() -> SpikingEngine:
    rng = np.random.default_rng(0)
    kernel = Conv(weight=rng.normal(0, 1, (8, 2, 3, 3)), padding=1)
    last = Dense(weight=rng.normal(0, 0.5, (3, 8 * ROWS * COLUMNS)))
    layers = (
        SpikingLayer(
            name="c",
            neurons=Neurons(shape=(8, ROWS, COLUMNS), decay=0.9),
            projections=(Projection(source="camera", synapses=kernel),),
        ),
        SpikingLayer(
            name="f", neurons=Neurons(shape=(3,), decay=0.9), projections=(Projection(source="c", synapses=last),)
        ),
    )
    return SpikingEngine(SpikingNetwork(inputs={"camera": (2, ROWS, COLUMNS)}, layers=layers, step_s=1e-3))


def events(rng: np.random.Generator, count: int, last_s: float) -> AddressEvents:
    return AddressEvents(
        time_s=np.sort(rng.random(count)) * last_s,
        x=rng.integers(0, COLUMNS, count),
        y=rng.integers(0, ROWS, count),
        p=rng.integers(0, 2, count),
    )


def part(whole: AddressEvents, begin: int, end: int) -> AddressEvents:
    return AddressEvents(**{name: getattr(whole, name)[begin:end] for name in ("time_s", "x", "y", "p")})


@settings(max_examples=8)
@given(seed=st.integers(0, 2**32 - 1), window=st.integers(1, 9), several=st.booleans())
def test_a_stream_in_pieces_equals_a_run_of_all_at_once(
    engine: SpikingEngine, seed: int, window: int, several: bool
) -> None:
    rng = np.random.default_rng(seed)
    whole = events(rng, 200, 0.04)
    stream = EventStream(engine, window_steps=window, several=several, start_s=0.0)
    cuts = [0, *np.sort(rng.integers(0, 200, 3)), 200]
    windows = [w for a, b in pairwise(cuts) for w in stream.feed(part(whole, a, b))]
    windows += list(stream.finish())
    spikes = np.concatenate([w.outputs["f"] for w in windows], axis=1)

    dense = np.zeros((1, spikes.shape[1], 2, ROWS, COLUMNS), np.int32)
    steps = np.floor(whole.time_s / 1e-3 + 1e-9).astype(int)
    np.add.at(dense, (0, steps, whole.p, whole.y, whole.x), 1)
    done = engine.run(dense if several else dense > 0)
    np.testing.assert_array_equal(spikes, done.outputs["f"])
    counted = np.concatenate([w.counts["c"].table() for w in windows], axis=1)
    np.testing.assert_array_equal(counted, done.counts["c"].table())


def test_a_stream_without_end_keeps_no_past(engine: SpikingEngine) -> None:
    rng = np.random.default_rng(3)
    stream = EventStream(engine, window_steps=10, start_s=0.0)
    for second in range(40):
        piece = events(rng, 50, 0.05)
        moved = AddressEvents(time_s=piece.time_s + second * 0.05, x=piece.x, y=piece.y, p=piece.p)
        for window in stream.feed(moved):
            assert window.outputs["f"].shape == (1, 10, 3)
    assert stream.session.step >= 1900
    assert len(stream._steps) < 200


def bad(**changed: Any) -> AddressEvents:
    return AddressEvents(**{"time_s": [0.0, 0.001], "x": [1, 1], "y": [1, 1], "p": [0, 1], **changed})


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"time_s": [0.002, 0.001]}, "out of order: event 1"),
        ({"x": [1, COLUMNS]}, f"x = {COLUMNS}, outside the sensor: 0 to {COLUMNS - 1}"),
        ({"y": [-1, 1]}, "event 0 has y = -1"),
        ({"p": [0, 2]}, "p = 2"),
        ({"x": [1]}, "one length"),
        ({"time_s": [0.0, np.nan]}, "NaN"),
        ({"time_s": [0.0, 1e300]}, "1e.303 steps after the start: times are seconds"),
        ({"x": [0.5, 1.0]}, "fractions"),
    ],
)
def test_events_that_cannot_be_are_refused(engine: SpikingEngine, changed: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        list(EventStream(engine).feed(bad(**changed)))


def test_events_before_the_last_piece_are_refused(engine: SpikingEngine) -> None:
    stream = EventStream(engine, start_s=0.0)
    list(stream.feed(bad(time_s=[0.5, 0.6])))
    with pytest.raises(InputError, match="out of order"):
        list(stream.feed(bad(time_s=[0.1, 0.7])))


def test_a_stream_needs_a_sensor_and_a_step(engine: SpikingEngine) -> None:
    with pytest.raises(InputError, match="above 0 s"):
        EventStream(engine, step_s=0.0)
    with pytest.raises(InputError, match="at least one step"):
        EventStream(engine, window_steps=0)
    flat = SpikingLayer(
        name="a",
        neurons=Neurons(shape=(2,)),
        projections=(Projection(source="x", synapses=Dense(weight=np.ones((2, 3)))),),
    )
    with pytest.raises(InputError, match="rows, columns"):
        EventStream(SpikingEngine(SpikingNetwork(inputs={"x": (3,)}, layers=(flat,))), step_s=1.0)


def test_the_binary_of_n_mnist(tmp_path: Path) -> None:
    """Bits 39-32 are x, 31-24 y, 23 polarity, 22-0 microseconds; row 240 marks an overflow of 2^13 µs."""
    rows = [(3, 4, 1, 100), (5, 240, 0, 0), (33, 1, 0, 2**22 + 7)]
    raw = b"".join(bytes([x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255]) for x, y, p, t in rows)
    path = tmp_path / "00001.bin"
    path.write_bytes(raw)
    (found,) = event_chunks(path)
    assert found.x.tolist() == [3, 33]
    assert found.y.tolist() == [4, 1]
    assert found.p.tolist() == [1, 0]
    np.testing.assert_allclose(found.time_s, [100e-6, (2**22 + 7 + 2**13) * 1e-6])
    path.write_bytes(b"% \x05\x06\x07" + raw)
    assert next(event_chunks(path)).x.tolist() == [37, 3, 33], "an event, not a header: its line never ends"
    path.write_bytes(raw[:-2])
    with pytest.raises(InputError, match="5 bytes an event"):
        list(event_chunks(path))


def aedat3(*packets: bytes) -> bytes:
    return b"#!AER-DAT3.1\r\n#Format: RAW\r\n#!END-HEADER\r\n" + b"".join(packets)


def polarity(rows: list[tuple[int, int, int, int, int]], *, overflow: int = 0, count: int | None = None) -> bytes:
    """Return a packet as libcaer lays it out; rows: valid, polarity, y, x, µs."""
    body = b"".join(struct.pack("<Ii", v | p << 1 | y << 2 | x << 17, t) for v, p, y, x, t in rows)
    number = len(rows) if count is None else count
    return struct.pack("<hhiiiiii", 1, 0, 8, 4, overflow, number, number, number) + body


def test_aedat_3(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat"
    special = struct.pack("<hhiiiiii", 0, 0, 8, 4, 0, 1, 1, 1) + bytes(8)
    path.write_bytes(
        aedat3(special, polarity([(1, 1, 20, 30, 5), (0, 1, 1, 1, 6)]), polarity([(1, 0, 0, 127, 9)], overflow=1))
    )
    first, second = event_chunks(path)
    assert (first.x.tolist(), first.y.tolist(), first.p.tolist()) == ([30], [20], [1])
    np.testing.assert_allclose(first.time_s, [5e-6])
    np.testing.assert_allclose(second.time_s, [(2**31 + 9) * 1e-6])


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (aedat3(polarity([(1, 1, 1, 1, 1)])[:-3]), "cut off within a packet of 1"),
        (aedat3(b"abc"), "cut off within a packet's header"),
        (aedat3(polarity([], count=2**30)), "damaged"),
        (b"#!AER-DAT3.1\r\nno header", "no end"),
        (b"#!AER-DAT2.0\r\n", "AER-DAT2.0"),
        (b"\x00\x01\x02", "5 bytes"),
        (b"% evt 3.0\n", "Prophesee RAW or DAT.*AddressEvents"),
        (b"% Data file containing CD events.\r\n% end\n" + bytes(20), "Prophesee RAW or DAT"),
        (b"\x89HDF\r\n\x1a\n" + bytes(7), "an HDF5 file"),
    ],
)
def test_damaged_recordings_are_refused(tmp_path: Path, raw: bytes, words: str) -> None:
    path = tmp_path / "a.aedat"
    path.write_bytes(raw)
    with pytest.raises(InputError, match=words):
        list(event_chunks(path))
    with pytest.raises(InputError, match="cannot read"):
        list(event_chunks(tmp_path / "missing"))


def test_aedat_4_is_left_to_its_library(tmp_path: Path) -> None:
    path = tmp_path / "a.aedat4"
    path.write_bytes(b"#!AER-DAT4.0\r\nnothing behind it")
    with pytest.raises((InputError, MissingExtraError), match=r"aedat|AEDAT"):
        list(event_chunks(path))
