"""Live torch modules: traced, counted and compared; what cannot be traced or is only a file is refused in one line."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import twentywatts as tw
from twentywatts.errors import InputError, ModelError
from twentywatts.readers.torch_module import model_file

MARK = pytest.mark.torch


@pytest.fixture(scope="module")
def nn() -> Any:
    pytest.importorskip("onnxscript")
    return pytest.importorskip("torch").nn


@MARK
def test_a_module_is_compared_and_counted_and_left_as_it_was(nn: Any, tmp_path: Path) -> None:
    import torch

    torch.manual_seed(0)
    part = nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.5))
    net = nn.Sequential(part, nn.Linear(12, 3))
    part.eval()
    net[1].train()
    rng = np.random.default_rng(0)
    x = rng.random((40, 4, 4))
    np.savez(tmp_path / "data.npz", x=x, y=np.arange(40) % 3)
    found = tw.compare(net, tmp_path / "data.npz", on="loihi", max_drop=1.0)
    assert found.model.name == "Sequential"
    assert found.model.mac_count == 16 * 12 + 12 * 3
    (row,) = [row for row in found.rows if row.machine == "loihi"]
    assert row.form == "spiking"
    assert row.twin is not None
    assert row.twin.bits >= 1
    assert [module.training for module in (net, part, net[1])] == [True, False, True]


@MARK
def test_layers_have_the_names_of_their_modules(nn: Any) -> None:
    class Net(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Linear(5, 4)
            self.bent = nn.GELU()

        def forward(self, image: Any) -> Any:
            return self.bent(self.first(image))

    counts = tw.count(Net(), example={"x": np.zeros((1, 5), dtype=np.float32)}, batch=3)
    assert [layer.name for layer in counts.layers] == ["first", "bent"]
    assert (counts.mac_count, counts.batch) == (60, 3)


@MARK
def test_a_module_that_cannot_be_traced_says_why(nn: Any, capfd: pytest.CaptureFixture[str]) -> None:
    class Fickle(nn.Module):  # type: ignore[misc]
        def forward(self, x: Any) -> Any:
            return x * 2 if x.sum() > 0 else x

    with pytest.raises(ModelError, match=r"Fickle cannot be traced by torch\.export: .*data-dependent"):
        tw.count(Fickle(), example=np.zeros((2, 3), dtype=np.float32))
    assert capfd.readouterr().out == ""


@MARK
def test_what_a_module_lacks_is_named(nn: Any) -> None:
    with pytest.raises(InputError, match="Linear is a live module: its input's shape is needed"):
        tw.count(nn.Linear(3, 3))
    with pytest.raises(InputError, match="no array for the inputs input of Linear"):
        tw.count(nn.Linear(3, 3), example={"wrong": np.zeros((1, 3))})
    with pytest.raises(InputError, match="at least one sample"):
        tw.count(nn.Linear(3, 3), example=np.zeros((0, 3), dtype=np.float32))


def test_other_objects_are_no_models() -> None:
    with pytest.raises(InputError, match="not an object of type dict"), model_file({}):
        pass


@pytest.mark.parametrize("ending", ["pt", "pth"])
def test_files_that_hold_pickles_are_not_opened(ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"model.{ending}"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x04.")
    before = "torch" in sys.modules
    with pytest.raises(ModelError, match=r"is not opened: .*unpickles.*torch\.export\.save"):
        tw.count(path)
    assert ("torch" in sys.modules) == before
