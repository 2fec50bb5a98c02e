"""Small kernel files: counts, reasons, held descriptors, and no way out of the root."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twentywatts.meter.contract import ReadError
from twentywatts.meter.sources.files import DeniedError, GoneError, HeldFile, Tree, read_text, signed, unsigned


@given(st.integers(0, 2**64 - 1))
def test_a_count_is_read_as_the_kernel_prints_it(value: int) -> None:
    assert unsigned(f"{value}\n") == unsigned(f"{value}\n".encode()) == value
    assert signed(f"-{value}\n") == -value


@given(st.text(max_size=30) | st.binary(max_size=30))
def test_what_is_not_a_count_is_refused(text: str | bytes) -> None:
    try:
        value = unsigned(text)
    except ReadError:
        return
    digits = text.decode() if isinstance(text, bytes) else text
    assert value == int(digits.strip())
    assert digits.strip().isascii()


@pytest.mark.parametrize("text", ["", "-3", "--3", "+3", "1_0", "3.0", "1e3", "9" * 21, "٣", "0x1f"])
def test_nothing_else_is_a_count(text: str) -> None:
    with pytest.raises(ReadError):
        unsigned(text)


@pytest.mark.parametrize(
    ("code", "kind", "words"),
    [
        (errno.EACCES, DeniedError, "no permission"),
        (errno.EPERM, DeniedError, "no permission"),
        (errno.ENOENT, GoneError, "is not there"),
        (errno.ENODEV, GoneError, "is gone"),
        (errno.ENODATA, ReadError, "no data"),
        (errno.EIO, ReadError, "does not answer"),
        (errno.ELOOP, ReadError, "loop of links"),
        (errno.EBUSY, ReadError, "busy"),
    ],
)
def test_the_reason_of_an_error_is_said(code: int, kind: type[ReadError], words: str, tmp_path: Path) -> None:
    def reader(path: Path) -> str:
        raise OSError(code, os.strerror(code))

    with pytest.raises(kind, match=f"(?i){words}"):
        Tree(tmp_path, reader).text(tmp_path / "zone{0}" / "energy_uj")


def test_a_held_file_follows_its_counter_and_opens_once(tmp_path: Path) -> None:
    path = tmp_path / "energy_uj"
    path.write_text("5\n")
    held = HeldFile(path, 1e-6)
    assert held.read() == pytest.approx(5e-6)
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for value in (6, 2**63, 7):
        path.write_text(f"{value}\n")
        assert held.read() == pytest.approx(value * 1e-6)
    if before:
        assert len(os.listdir("/proc/self/fd")) == before
    held.close()
    held.close()


def test_a_held_file_says_why_it_cannot_be_read_and_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "energy_uj"
    held = HeldFile(path, 1.0)
    with pytest.raises(GoneError):
        held.read()
    path.write_text("3\n")
    assert held.read() == 3.0
    path.write_text("")
    with pytest.raises(ReadError, match="empty"):
        held.read()
    path.write_text("4" * 100)
    with pytest.raises(ReadError, match="not a count"):
        held.read()
    held.close()


def test_the_machine_itself_is_read_through_held_files() -> None:
    path = Path("/proc/sys/kernel/pid_max")
    if not path.exists():
        pytest.skip("needs Linux")
    read, close = Tree(Path("/")).meter(path, 2.0)
    assert isinstance(getattr(read, "__self__", None), HeldFile)
    assert read() == 2.0 * int(path.read_text())
    close()


def test_a_pipe_without_a_writer_does_not_hold_us_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert read_text(tmp_path / "pipe") == ""


def test_no_path_leads_out_of_the_root(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "root-beside"
    root.mkdir()
    outside.mkdir()
    (outside / "secret").write_text("1")
    (root / "out").symlink_to(outside)
    (root / "file").symlink_to(outside / "secret")
    tree = Tree(root)
    assert tree.names(root / "out") == []
    assert not list(tree.folders(root, "out"))
    for path in (root / "file", root / "out" / "secret", root / ".." / "root-beside" / "secret"):
        with pytest.raises(GoneError, match="leads out"):
            tree.text(path)
        with pytest.raises(GoneError, match="leads out"):
            tree.meter(path, 1.0)[0]()


def test_folders_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        (tmp_path / f"hwmon{number}" / "x").mkdir(parents=True)
    assert [path.name for path in Tree(tmp_path).folders(tmp_path, r"hwmon\d+")] == ["hwmon1", "hwmon2", "hwmon10"]


def test_a_dictionary_is_a_machine(tmp_path: Path) -> None:
    tree = Tree(tmp_path, {tmp_path / "a": "12"}.__getitem__)
    assert tree.count(tmp_path / "a") == 12
    with pytest.raises(ReadError):
        tree.count(tmp_path / "b")
