"""A live module as its owner runs it, operator by operator in torch: what a better runtime is held against."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from twentywatts.readers.torch_module import is_torch_model, module_arguments

__all__ = ["eager_call"]


def eager_call(model: object, data: str | Path, *, batch: int) -> Callable[[], Any] | None:
    """Return a call that runs one batch of a live module on samples of ``data``; None for anything but a module.

    The module is put into evaluation mode for as long as each call takes, and one thread is used.
    """
    if not is_torch_model(model) or not hasattr(model, "forward"):
        return None
    import torch

    arguments = module_arguments(model, data, count=batch)

    def call() -> Any:
        threads, was_training = torch.get_num_threads(), model.training  # type: ignore[attr-defined]
        torch.set_num_threads(1)
        model.eval()  # type: ignore[attr-defined]
        try:
            with torch.inference_mode():
                return model(*arguments)  # type: ignore[operator]
        finally:
            model.train(was_training)  # type: ignore[attr-defined]
            torch.set_num_threads(threads)

    return call
