"""AMD boards as the library amdsmi shows them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["AmdSmiError", "FakeAmdSmi", "FakeCard"]


class AmdSmiError(Exception):
    pass


@dataclass
class FakeCard:
    """A device. resolution_uj: of one count. has_energy: False on a guest of a virtual machine."""

    power_w: Any = 300
    name: str = "AMD Instinct MI300X"
    uuid: str = "b1ff74a1-0000-1000-80c3-d5f3e9a3a0a1"
    bdf: str = "0000:c1:00.0"
    resolution_uj: float = 15.259
    has_energy: bool = True
    field: str = "current_socket_power"
    lost: bool = False


class FakeAmdSmi:
    """Takes the place of the module amdsmi."""

    def __init__(self, cards: Sequence[FakeCard], clock: Callable[[], float], *, init_error: bool = False) -> None:
        self.cards, self.clock, self.init_error, self.open = list(cards), clock, init_error, 0

    def amdsmi_init(self) -> None:
        if self.init_error:
            raise AmdSmiError("Error code:\n\t34 | AMDSMI_STATUS_DRIVER_NOT_LOADED - Driver not loaded")
        self.open += 1

    def amdsmi_shut_down(self) -> None:
        self.open -= 1

    def amdsmi_get_processor_handles(self) -> list[FakeCard]:
        return self.cards

    def amdsmi_get_gpu_asic_info(self, card: FakeCard) -> dict[str, Any]:
        return {"market_name": self._present(card).name}

    def amdsmi_get_gpu_device_bdf(self, card: FakeCard) -> str:
        return self._present(card).bdf

    def amdsmi_get_gpu_device_uuid(self, card: FakeCard) -> str:
        return self._present(card).uuid

    def amdsmi_get_energy_count(self, card: FakeCard) -> dict[str, Any]:
        if not self._present(card).has_energy:
            raise AmdSmiError("Error code:\n\t2 | AMDSMI_STATUS_NOT_SUPPORTED - Feature not supported")
        count = int((1.0 + card.power_w * self.clock()) / (card.resolution_uj * 1e-6))
        return {"energy_accumulator": count, "counter_resolution": card.resolution_uj, "timestamp": 1}

    def amdsmi_get_power_info(self, card: FakeCard) -> dict[str, Any]:
        values = dict.fromkeys(("current_socket_power", "average_socket_power"), "N/A")
        return {**values, self._present(card).field: card.power_w}

    def _present(self, card: FakeCard) -> FakeCard:
        if card.lost:
            raise AmdSmiError("Error code:\n\t40 | AMDSMI_STATUS_NO_DATA")
        return card
