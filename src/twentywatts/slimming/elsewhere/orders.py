"""Orders: where two candidates change places from one machine to another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from twentywatts.slimming.elsewhere.targets import Target
from twentywatts.uncertain import Interval, Spread

__all__ = ["OrderDifference", "energies_of", "order_differences"]


_LEAST = 0.02  # candidates closer than this on one of the machines are alike there: nothing hangs on their order


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDifference:
    """On ``machine`` the candidate ``better`` takes less than ``worse``; on ``other`` it takes more.

    Candidates go by the names that they were given: digests. ratio, other_ratio: joules of ``better`` over those of
    ``worse`` on each machine, shared figures cancelled. is_sure: both 90 % intervals lie on their side of 1.
    """

    machine: str
    other: str
    better: str
    worse: str
    ratio: Interval
    other_ratio: Interval

    @property
    def is_sure(self) -> bool:
        """Whether neither ratio could be on the other side of 1 within its interval."""
        return self.ratio.high < 1.0 < self.other_ratio.low


def energies_of(targets: Sequence[Target]) -> dict[str, dict[str, Spread]]:
    """Return machine → candidate's digest → joules per inference, of all that are not shown to lose."""
    return {
        target.machine: {
            point.candidate.digest: point.energy.energy_j
            for point in target.points
            if point.search.verdict.keeps is not False
        }
        for target in targets
        if target.points
    }


def order_differences(energies: Mapping[str, Mapping[str, Spread]]) -> list[OrderDifference]:
    """Return every pair of candidates whose order differs between two machines, the sure ones first, widest first.

    energies: machine → candidate → what is compared there: joules, or measured seconds. A candidate that a machine
    does not carry is left out there; so are pairs that differ by less than 2 % on one of the machines.
    """
    found = []
    for (machine, own), (other, others) in combinations(energies.items(), 2):
        shared = [name for name in own if name in others]
        for first, second in combinations(shared, 2):
            here, there = own[first] / own[second], others[first] / others[second]
            if (here.mid - 1.0) * (there.mid - 1.0) >= 0 or min(_apart(here), _apart(there)) < _LEAST:
                continue
            better, worse = (first, second) if here.mid < 1 else (second, first)
            found.append(
                OrderDifference(
                    machine=machine,
                    other=other,
                    better=better,
                    worse=worse,
                    ratio=(own[better] / own[worse]).interval,
                    other_ratio=(others[better] / others[worse]).interval,
                )
            )
    return sorted(found, key=lambda one: (not one.is_sure, one.ratio.mid / one.other_ratio.mid))


def _apart(ratio: Spread) -> float:
    """Return how far apart two candidates are, as a share."""
    return max(ratio.mid, 1.0 / ratio.mid) - 1.0
