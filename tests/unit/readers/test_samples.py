"""Samples: a good .npz is read; a bad one is one DataError with one line, and nothing in it is ever executed."""

from __future__ import annotations

import io
import pickle
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from twentywatts.errors import DataError
from twentywatts.network import Network, TensorSpec
from twentywatts.readers.samples import Samples, read_samples

X = np.random.default_rng(0).normal(size=(6, 1, 4, 4)).astype(np.float32)
Y = np.array([0, 1, 2, 0, 1, 2])


def network(*inputs: tuple[str, tuple[int | str | None, ...] | None, str]) -> Network:
    specs = tuple(TensorSpec(name=name, shape=shape, dtype=dtype, bits=32) for name, shape, dtype in inputs)
    return Network(name="net", path=Path("net.onnx"), inputs=specs, outputs=(), layers=(), tensors={}, weights={})


ONE = network(("image", (1, 1, 4, 4), "float32"))


class Case:
    """Files in a temporary folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "data.npz"
        self.canary = folder / "executed"

    def save(self, **arrays: Any) -> None:
        np.savez(self.path, **arrays)

    def raw(self, members: dict[str, bytes]) -> None:
        with zipfile.ZipFile(self.path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(name, content)


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def refusal(case: Case, net: Network = ONE) -> str:
    with pytest.raises(DataError) as caught:
        read_samples(case.path, net)
    assert "\n" not in str(caught.value)
    assert "data.npz" in str(caught.value)
    return str(caught.value)


def npy(header: str, content: bytes = b"", *, version: bytes = b"\x01\x00") -> bytes:
    text = header.encode() + b"\n"
    return b"\x93NUMPY" + version + struct.pack("<H", len(text)) + text + content


def test_x_is_the_only_input_whatever_its_name(case: Case) -> None:
    case.save(x=X, y=Y)
    samples = read_samples(case.path, ONE)
    assert samples.count == 6
    assert samples.inputs["image"].tolist() == X.tolist()
    assert samples.targets.dtype == np.int64
    assert samples.name == "data.npz"


def test_inputs_by_name_win_over_x(case: Case) -> None:
    case.save(image=X, x=X * 0, y=Y)
    assert read_samples(str(case.path), ONE).inputs["image"].any()


def test_several_inputs_are_taken_by_name(case: Case) -> None:
    two = network(("ids", ("batch", "sequence"), "int64"), ("mask", ("batch", None), "bool"))
    case.save(ids=np.ones((6, 9)), mask=np.ones((6, 9), dtype=np.int8), y=Y)
    samples = read_samples(case.path, two)
    assert samples.inputs["ids"].dtype == np.int64
    assert samples.inputs["mask"].dtype == np.bool_


def test_several_inputs_that_lack_one_name_it(case: Case) -> None:
    case.save(ids=np.ones((6, 9)), y=Y)
    text = refusal(case, network(("ids", None, "int64"), ("mask", None, "bool")))
    assert "lacks the model's inputs mask" in text
    assert "ids, y" in text


def test_integers_become_the_model_s_type(case: Case) -> None:
    case.save(x=(X * 100).astype(np.int16), y=Y)
    assert read_samples(case.path, ONE).inputs["image"].dtype == np.float32


def test_an_open_axis_takes_any_size(case: Case) -> None:
    case.save(x=X, y=Y)
    read_samples(case.path, network(("image", ("batch", 1, "height", None), "float32")))


def test_targets_may_be_values_or_a_column(case: Case) -> None:
    case.save(x=X, y=Y[:, None])
    assert read_samples(case.path, ONE).targets.shape == (6,)
    case.save(x=X, y=Y * 0.5)
    assert read_samples(case.path, ONE).targets.dtype == np.float64


def test_taking_samples_keeps_inputs_and_targets_together(case: Case) -> None:
    case.save(x=X, y=Y)
    taken = read_samples(case.path, ONE).take(np.array([5, 0]))
    assert taken.targets.tolist() == [2, 0]
    assert taken.inputs["image"].tolist() == X[[5, 0]].tolist()


def with_(name: str, at: tuple[int, ...], value: float) -> dict[str, Any]:
    arrays = {"x": X.astype(float), "y": Y.astype(float)}
    arrays[name][at] = value
    return arrays


ARRAYS: dict[str, tuple[dict[str, Any], str]] = {
    "no y": ({"x": X}, "no array 'y'"),
    "no x": ({"features": X, "y": Y}, "no array 'x' (samples first); it has features, y"),
    "neither": ({}, "it has no array at all"),
    "NaN in x": (with_("x", (2, 0, 1, 1), np.nan), "'x' holds NaN or infinite values"),
    "infinity in x": (with_("x", (2, 0, 1, 1), -np.inf), "'x' holds NaN or infinite values"),
    "NaN in y": (with_("y", (3,), np.nan), "'y' holds NaN or infinite values"),
    "wrong shape": ({"x": X[..., :3], "y": Y}, "samples of 1 × 4 × 3, the model takes 1 × 4 × 4"),
    "a flat x": ({"x": X.reshape(6, 16), "y": Y}, "samples of 16, the model takes 1 × 4 × 4"),
    "x without samples axis": ({"x": X[0], "y": Y}, "the model takes 1 × 4 × 4"),
    "x as one number": ({"x": np.float32(3), "y": Y}, "a single number"),
    "y as one number": ({"x": X, "y": np.int64(3)}, "a single number"),
    "x of texts": ({"x": np.array(["a"] * 6), "y": Y}, "dtype <U1, wanted numbers"),
    "x complex": ({"x": X * 1j, "y": Y}, "dtype complex64, wanted numbers"),
    "y of texts": ({"x": X, "y": np.array(list("abcabc"))}, "dtype <U1, wanted class indices"),
    "x of dates": ({"x": np.zeros((6, 1, 4, 4), dtype="datetime64[s]"), "y": Y}, "wanted numbers"),
    "x of records": ({"x": np.zeros(6, dtype=[("a", "f4")]), "y": Y}, "wanted numbers"),
    "zero samples": ({"x": X[:0], "y": Y[:0]}, "holds no samples"),
    "different lengths": ({"x": X, "y": Y[:4]}, "different numbers of samples (image: 6, y: 4)"),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_bad_arrays_are_refused(case: Case, name: str) -> None:
    arrays, words = ARRAYS[name]
    case.save(**arrays)
    assert words in refusal(case)


class Payload:
    """What a pickled attack looks like: unpickling it writes a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.target,)


def test_the_payload_works_when_it_is_unpickled(case: Case) -> None:
    pickle.loads(pickle.dumps(Payload(case.canary)))
    assert case.canary.exists()


@pytest.mark.parametrize("member", ["x", "y", "extra"])
def test_pickled_arrays_are_refused_and_never_unpickled(case: Case, member: str) -> None:
    arrays: dict[str, Any] = {"x": X, "y": Y}
    arrays[member] = np.array([Payload(case.canary)], dtype=object)
    np.savez(case.path, allow_pickle=True, **arrays)
    assert "pickled" in refusal(case)
    assert not case.canary.exists()


@pytest.mark.parametrize("name", ["x.npy", "x", "x.pkl"])
def test_a_bare_pickle_as_a_member_is_refused_and_never_unpickled(case: Case, name: str) -> None:
    good = io.BytesIO()
    np.save(good, Y)
    case.raw({name: pickle.dumps(Payload(case.canary)), "y.npy": good.getvalue()})
    refusal(case)
    assert not case.canary.exists()


def test_a_bare_pickle_is_refused_and_never_unpickled(case: Case) -> None:
    case.path.write_bytes(pickle.dumps(Payload(case.canary)))
    assert "not an .npz file" in refusal(case)
    assert not case.canary.exists()


SHAPE = "{'descr': '<f4', 'fortran_order': False, 'shape': %s, }"
HEADERS: dict[str, tuple[bytes, str]] = {
    "more than it holds": (npy(SHAPE % "(1000000, 1000)", b"\0" * 16), "declares 4,000,000,000 bytes but holds"),
    "more than any memory": (npy(SHAPE % "(99999999999, 99999999999)"), "declares"),
    "a negative size": (npy(SHAPE % "(-1, 4)", b"\0" * 64), ""),
    "a size that is text": (npy(SHAPE % "('6',)", b"\0" * 64), ""),
    "a size that is true": (npy(SHAPE % "(True, 1, 4, 4)", b"\0" * 64), ""),
    "code in the header": (npy("__import__('os').system('true')"), "not a readable .npz"),
    "no header": (b"\x93NUMPY\x01\x00", "not a readable .npz"),
    "another version": (npy(SHAPE % "(1,)", b"\0" * 4, version=b"\x09\x09"), "unknown .npy version (9, 9)"),
    "nothing": (b"", "not a readable .npz"),
    "an unknown type": (npy("{'descr': '<q9', 'fortran_order': False, 'shape': (1,), }", b"\0" * 9), ""),
    "an object type": (npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", b"\0" * 9), "pickled"),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_bad_header_is_refused(case: Case, name: str) -> None:
    content, words = HEADERS[name]
    good = io.BytesIO()
    np.save(good, Y)
    case.raw({"x.npy": content, "y.npy": good.getvalue()})
    assert words in refusal(case)


def test_a_small_file_that_unpacks_to_gigabytes_is_refused_unread(case: Case) -> None:
    case.save(x=X, y=Y)
    content = bytearray(case.path.read_bytes())
    at = content.rindex(b"PK\x01\x02")  # the last central directory entry: its uncompressed size is at 24
    content[at + 24 : at + 28] = struct.pack("<I", 2**32 - 2)
    case.path.write_bytes(content)
    refusal(case)


def test_an_array_that_is_there_twice_is_refused(case: Case) -> None:
    case.save(x=X, y=Y)
    with zipfile.ZipFile(case.path) as archive:
        content = archive.read("x.npy")
    with zipfile.ZipFile(case.path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("x.npy", content)
    assert "holds 'x.npy' twice" in refusal(case)


def test_too_many_members_are_refused(case: Case) -> None:
    case.raw({f"a{index}.npy": b"" for index in range(300)})
    assert "holds 300 members" in refusal(case)


FILES: dict[str, tuple[bytes | None, str]] = {
    "missing": (None, "no such file"),
    "empty": (b"", "not an .npz file"),
    "text": (b"x,y\n1,2\n", "not an .npz file"),
    "an empty zip": (b"PK\x05\x06" + b"\0" * 18, "no array at all"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_archive_is_refused(case: Case, name: str) -> None:
    content, words = FILES[name]
    if content is not None:
        case.path.write_bytes(content)
    assert words in refusal(case)


def test_a_directory_is_refused(case: Case) -> None:
    case.path.mkdir()
    assert "directory" in refusal(case)


def test_a_single_array_is_refused(case: Case) -> None:
    with case.path.open("wb") as stream:
        np.save(stream, X)
    assert "not an .npz file" in refusal(case)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_archive_is_refused(case: Case, share: float) -> None:
    case.save(x=X, y=Y)
    content = case.path.read_bytes()
    case.path.write_bytes(content[: int(len(content) * share)])
    refusal(case)


def test_an_encrypted_member_is_refused(case: Case) -> None:
    case.save(x=X, y=Y)
    content = bytearray(case.path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + offset] |= 1
    case.path.write_bytes(content)
    refusal(case)


@pytest.mark.parametrize("compressed", [False, True])
def test_200_mutations_are_read_or_refused_never_worse(case: Case, compressed: bool) -> None:
    (np.savez_compressed if compressed else np.savez)(case.path, x=X, y=Y)
    good = case.path.read_bytes()
    generator = random.Random(20)
    for _ in range(100):
        content = bytearray(good)
        for _ in range(generator.randint(1, 6)):
            at = generator.randrange(len(content))
            if generator.random() < 0.7:
                content[at] = generator.randrange(256)
            else:
                del content[at : at + generator.randint(1, 60)]
        case.path.write_bytes(content)
        try:
            samples = read_samples(case.path, ONE)
        except DataError:
            continue
        assert isinstance(samples, Samples)
        assert np.isfinite(samples.inputs["image"]).all()


@pytest.mark.parametrize(
    ("dtype", "values"),
    [("int64", 1.5), ("int64", 1e30), ("int64", np.uint64(2**63)), ("uint8", -1), ("float32", 1e300), ("float16", 1e6)],
)
def test_values_that_the_type_of_the_model_cannot_hold_are_told(case: Case, dtype: str, values: Any) -> None:
    case.save(x=np.full((6, 2), values), y=Y)
    assert f"type {dtype}" in refusal(case, network(("x", (1, 2), dtype)))


@pytest.mark.parametrize("dtype", ["int64", "uint8", "float16", "float64", "bool"])
def test_whole_numbers_may_come_as_floats(case: Case, dtype: str) -> None:
    case.save(x=np.array([[0.0, 1.0]] * 6), y=Y)
    assert read_samples(case.path, network(("x", (1, 2), dtype))).inputs["x"].dtype == dtype


def test_arrays_that_nobody_asked_for_are_not_unpacked(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case.save(image=X, y=Y, extra=np.zeros(1000))
    read: list[str] = []
    whole = np.lib.npyio.NpzFile.__getitem__
    monkeypatch.setattr(np.lib.npyio.NpzFile, "__getitem__", lambda self, key: (read.append(key), whole(self, key))[1])
    read_samples(case.path, ONE)
    assert sorted(read) == ["image", "y"]


def test_targets_beyond_what_models_answer_are_told(case: Case) -> None:
    case.save(image=X, y=np.full(6, 1e300))
    assert "'y' holds values beyond" in refusal(case)
