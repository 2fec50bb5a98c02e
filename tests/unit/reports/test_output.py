import json
import os

import pytest

from twentywatts.errors import InputError
from twentywatts.reports.output import check_writable, write_json, write_text


def test_a_file_is_written_whole_and_nothing_else_is_left(tmp_path):
    target = tmp_path / "out.json"
    write_json({"a": "µ"}, target)
    assert json.loads(target.read_text(encoding="utf-8")) == {"a": "µ"}
    assert os.listdir(tmp_path) == ["out.json"]


def test_what_fails_leaves_the_old_file(tmp_path):
    target = tmp_path / "out.txt"
    target.write_text("old")
    with pytest.raises(ValueError, match="JSON"):
        write_json({"a": float("nan")}, target)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["out.txt"]


def test_a_name_of_bytes_that_are_no_text_can_be_written(tmp_path):
    """A file's name may be such bytes; Python hands them over as lone surrogates, which UTF-8 does not have."""
    write_text("a\udcff.onnx", tmp_path / "out.txt")
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == "a?.onnx"


def test_what_fails_halfway_leaves_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / "out.txt"
    target.write_text("old")

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match="No space left"):
        write_text("new", target)
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["out.txt"]


def test_mode_and_link_survive(tmp_path):
    real, name = tmp_path / "real.txt", tmp_path / "link.txt"
    real.write_text("old")
    real.chmod(0o640)
    name.symlink_to(real)
    write_text("new", name)
    assert name.is_symlink()
    assert real.read_text() == "new"
    assert real.stat().st_mode & 0o777 == 0o640


def test_what_is_kept_is_kept_under_every_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").write_text("model")
    (tmp_path / "link").symlink_to("model")
    (tmp_path / "hard").hardlink_to(tmp_path / "model")
    for name in ("model", "./model", "link", "hard", tmp_path / "model"):
        with pytest.raises(InputError, match="name another one"):
            check_writable(name, keep=["none", "", "model"])
    with pytest.raises(InputError, match="name another one"):
        check_writable("new.json", keep=["./new.json"])
    check_writable("other.json", keep=["model", "x" * 5000, "a\0b"])
    check_writable("-", keep=["-"])
    check_writable(os.devnull, keep=[os.devnull])


def test_a_device_is_written_to_and_not_replaced():
    check_writable(os.devnull)
    write_text("gone", os.devnull)
    assert not os.path.isfile(os.devnull)


def test_a_dash_is_standard_output(capsys):
    check_writable("-")
    write_json({"a": 1}, "-")
    assert json.loads(capsys.readouterr().out) == {"a": 1}


def test_checking_leaves_nothing_behind(tmp_path):
    check_writable(tmp_path / "out.json")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("target", ["no/such/folder/out.json", "."])
def test_unwritable_output_is_one_clear_error(tmp_path, monkeypatch, target):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="cannot write"):
        check_writable(target)
    with pytest.raises(InputError, match="cannot write"):
        write_text("x", target)
    assert os.listdir(tmp_path) == []
