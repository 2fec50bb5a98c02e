"""The ladder: the few candidates that are always worth trying, from the cheapest to make to the dearest."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from twentywatts.slimming.lab import Lab, Make
from twentywatts.slimming.rungs import Rung

__all__ = ["AS_GIVEN", "EPOCHS", "climb", "rungs"]

AS_GIVEN = Rung()
EPOCHS = 40  # of training after a cut; fewer where the budget is short
_SHARE = 0.6  # of the time left, at most, for one training
_CUTS = (0.5, 0.25, 0.75)  # shares of channels, the most promising first


def rungs(lab: Lab, *, is_trained: bool) -> Iterator[Rung]:
    """Yield the rungs that the methods allow; is_trained: whether there is something to train on, and with."""
    methods = lab.question.methods
    yield AS_GIVEN
    if "fold" in methods:
        yield Rung(is_folded=True)
    if "prune" not in methods or not is_trained:
        return
    for cut in _CUTS:
        yield Rung(is_folded="fold" in methods, cut=cut, epochs=EPOCHS if "distil" in methods else 0)


def climb(lab: Lab, make: Make, wanted: Sequence[Rung], progress: Callable[[str, float], None]) -> None:
    """Try the rungs as long as there is time; the model as given is always tried.

    A rung that is trained gets most of what is left: one trained in full says more than three that were cut short.
    """
    for index, rung in enumerate(wanted):
        if index and rung.epochs and lab.clock.is_over:
            continue
        progress(rung.text, index / len(wanted))
        lab.tried(rung, make, _SHARE * lab.clock.left_s)
