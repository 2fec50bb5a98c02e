"""Callbacks for the Trainer of Hugging Face transformers and of Lightning: joules so far in everything that is logged.

    trainer = transformers.Trainer(…, callbacks=[hugging_face_callback()])
    trainer = lightning.Trainer(callbacks=[lightning_callback()])

Both log ``energy_j`` since the start of the training and ``energy_measured`` (1.0 or 0.0); without a live counter the
joules are those of the model, and say so. The classes are made when they are asked for: nothing is imported before.
"""

from __future__ import annotations

from typing import Any

from twentywatts.errors import MissingExtraError

__all__ = ["TrainingMeter", "hugging_face_callback", "lightning_callback"]


class TrainingMeter:
    """A meter over a training; on the first process of a node alone where the trainer says so."""

    def __init__(self, *, require_measured: bool = False) -> None:
        self.require_measured = require_measured
        self.meter: Any = None

    def begin(self, name: str) -> None:
        """Start, unless it runs already."""
        from twentywatts.meter import Meter

        if self.meter is None:
            self.meter = Meter(name, require_measured=self.require_measured).start()

    def lap(self, name: str) -> dict[str, float]:
        """End a lap and return what goes to the logs."""
        if self.meter is not None:
            self.meter.mark(name)
        return self.so_far()

    def so_far(self) -> dict[str, float]:
        """Return what goes to the logs in the middle of a lap: the training up to now."""
        return {} if self.meter is None else _logged(self.meter.now())

    def end(self) -> dict[str, float]:
        """Stop and return what goes to the logs: the whole training."""
        if self.meter is None:
            return {}
        meter, self.meter = self.meter, None
        self.span = meter.stop().span
        return _logged(self.span)


def _logged(span: Any) -> dict[str, float]:
    if span.energy_j is None:
        return {}
    return {"energy_j": span.energy_j, "energy_measured": float(span.is_measured)}


def hugging_face_callback(*, require_measured: bool = False) -> Any:
    """Return a TrainerCallback; raises MissingExtraError where transformers is not installed."""
    try:
        from transformers import TrainerCallback
    except ImportError:
        raise MissingExtraError("transformers", "torch") from None

    class EnergyCallback(TrainerCallback):  # type: ignore[misc]
        """Adds energy_j to the logs of the local main process."""

        def __init__(self) -> None:
            self.energy = TrainingMeter(require_measured=require_measured)
            self._latest: dict[str, float] = {}

        def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            if getattr(state, "is_local_process_zero", True):
                self.energy.begin("training")

        def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self._latest = self.energy.lap(f"epoch {getattr(state, 'epoch', '')}")

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            self._latest = self.energy.so_far() or self._latest  # an epoch of a language model may be all there is
            if isinstance(logs, dict):
                logs.update(self._latest)
            history = getattr(state, "log_history", None)
            if isinstance(history, list) and history:  # a copy of the logs, made before callbacks are asked
                history[-1].update(self._latest)

        def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            self._latest = self.energy.end()
            history = getattr(state, "log_history", None)
            if isinstance(history, list) and self._latest:
                history.append({"step": getattr(state, "global_step", 0), **self._latest})

    return EnergyCallback()


def lightning_callback(*, require_measured: bool = False) -> Any:
    """Return a Callback; raises MissingExtraError where Lightning is not installed."""
    callback = _lightning_base()

    class EnergyCallback(callback):  # type: ignore[misc, valid-type]
        """Adds energy_j to the logged metrics of rank 0 of each node."""

        def __init__(self) -> None:
            super().__init__()
            self.energy = TrainingMeter(require_measured=require_measured)

        def on_train_start(self, trainer: Any, pl_module: Any) -> None:
            if getattr(trainer, "local_rank", 0) == 0:
                self.energy.begin("training")

        def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            every = getattr(trainer, "log_every_n_steps", 0)
            if every and (batch_idx + 1) % every == 0:
                _log(trainer, self.energy.so_far())

        def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
            _log(trainer, self.energy.lap(f"epoch {getattr(trainer, 'current_epoch', '')}"))

        def on_train_end(self, trainer: Any, pl_module: Any) -> None:
            _log(trainer, self.energy.end())

    return EnergyCallback()


def _log(trainer: Any, found: dict[str, float]) -> None:
    logger = getattr(trainer, "logger", None)
    if logger is not None and found:
        logger.log_metrics(found, step=getattr(trainer, "global_step", 0))


def _lightning_base() -> type:
    from importlib import import_module

    for name in ("lightning.pytorch", "pytorch_lightning"):
        try:
            found: type = import_module(name).Callback
            return found
        except ImportError:
            continue
    raise MissingExtraError("lightning", "torch")
