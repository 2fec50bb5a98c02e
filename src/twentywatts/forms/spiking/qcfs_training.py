"""The torch side of QCFS: lowered blocks as tensors, one gather and one matrix product for each linear map."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from twentywatts.forms.lowering import Block, Floats, Geometry, Kind, Linear, Lowered

if TYPE_CHECKING:
    from twentywatts.forms.spiking.qcfs import Schedule

__all__ = ["Trained", "train"]

_GATHERED = 2**25  # values that one layer of one batch may gather
_GROWTH = 1.4  # natural logarithm of the largest factor by which a threshold may move: 4, up or down
_SOFT = 0.5  # weight of the float network's own answer beside the given class


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trained:
    """Blocks with their new weights and biases, and what one spike stands for, shape (channels,), by block."""

    lowered: Lowered
    thresholds: Mapping[str, Floats]


class _Map(nn.Module):  # type: ignore[misc]
    """A linear map with a trained weight of shape (in channels, entries, out channels of the group)."""

    def __init__(self, linear: Linear) -> None:
        super().__init__()
        self.geometry = linear.geometry
        self.weight = nn.Parameter(torch.from_numpy(linear.weight.astype(np.float32)))
        entries, places = _gathering(linear.geometry)
        self.register_buffer("entries", torch.from_numpy(entries))
        self.register_buffer("places", torch.from_numpy(places))

    def gathered(self, x: Tensor) -> Tensor:
        """Return what each output position sees, shape (in channels, taps, out positions, samples)."""
        samples = x.shape[-1]
        padded = nn.functional.pad(
            x.reshape(self.geometry.in_channels, self.geometry.in_positions, samples), (0, 0, 0, 1)
        )
        return padded.index_select(1, self.places.reshape(-1)).reshape(-1, *self.places.shape, samples)

    def forward(self, x: Tensor) -> Tensor:
        """Take (channels, positions, samples): samples come last, so that a map is one product and no copy."""
        groups, width = self.geometry.groups, self.weight.shape[2]
        seen = self.gathered(x).reshape(groups, -1, self.places.shape[1] * x.shape[-1])
        weight = self.weight.index_select(1, self.entries).reshape(groups, -1, width)
        return torch.bmm(weight.transpose(1, 2), seen).reshape(groups * width, -1, x.shape[-1])


def _gathering(geometry: Geometry) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return taps as (kernel entry of each, input position by tap and output position); a missing one is the pad.

    Where one entry joins an output position to several inputs (a folded mean), the entry occurs several times.
    """
    order = np.lexsort((geometry.taps_in, geometry.taps_out, geometry.taps_kernel))
    source, entry, target = (taps[order] for taps in (geometry.taps_in, geometry.taps_kernel, geometry.taps_out))
    pair = entry * geometry.out_positions + target
    starts = np.flatnonzero(np.diff(pair, prepend=-1))
    rank = np.arange(len(pair)) - np.repeat(starts, np.diff(starts, append=len(pair)))
    times = int(rank.max(initial=0)) + 1
    row = entry * times + rank
    places = np.full((geometry.kernel_count * times, geometry.out_positions), geometry.in_positions)
    places[row, target] = source
    return np.repeat(np.arange(geometry.kernel_count), times), places


class _Block(nn.Module):  # type: ignore[misc]
    """A block with a trained shift by channel and a trained threshold, both float32."""

    def __init__(self, block: Block, threshold: Floats | None) -> None:
        super().__init__()
        self.kind, self.ceiling = block.kind, block.ceiling
        self.sources = [projection.source for projection in block.projections]
        self.maps = nn.ModuleList(_Map(projection.linear) for projection in block.projections)
        self.register_buffer("bias", torch.from_numpy(block.bias.astype(np.float32))[:, :, None])
        self.shift = nn.Parameter(torch.zeros(len(block.bias), 1, 1))
        self.has_bias = bool(np.any(block.bias))
        first = np.ones(1) if threshold is None else threshold
        self.register_buffer("first", torch.from_numpy(first.astype(np.float32)))
        self.growth = nn.Parameter(torch.zeros(len(first)))
        self.register_buffer("fan_out", torch.zeros(1))
        self.spent = torch.zeros(())

    def worth(self) -> Tensor:
        """Return what one spike stands for: the calibrated value times a learned factor, at most the ReLU's bound."""
        return (self.first * self.growth.clamp(-_GROWTH, _GROWTH).exp()).clamp(max=self.ceiling)

    def forward(self, values: Mapping[str, Tensor], levels: int | None) -> Tensor:
        """Return the block's value; ``levels`` None gives the float network."""
        if self.kind is Kind.MAX:
            return self.maps[0].gathered(values[self.sources[0]]).amax(dim=1)
        total = sum((m(values[s]) for m, s in zip(self.maps, self.sources, strict=True)), start=self.bias)
        if self.has_bias:
            total = total + self.shift
        if self.kind is Kind.READOUT:
            return total
        if levels is None:
            return total.clamp(0.0, self.ceiling)
        worth = self.worth().reshape(-1, 1, 1)
        share = (total / worth).clamp(0.0, 1.0)
        rounded = torch.floor(share * levels + 0.5) / levels
        passed = share + (rounded - share).detach()
        self.spent = (passed.mean(dim=2) * self.fan_out).sum()
        return passed * worth


class _Net(nn.Module):  # type: ignore[misc]
    """All blocks in running order."""

    def __init__(self, lowered: Lowered, thresholds: Mapping[str, Floats]) -> None:
        super().__init__()
        self.names = [block.name for block in lowered.blocks]
        self.blocks = nn.ModuleList(_Block(block, thresholds.get(block.name)) for block in lowered.blocks)
        for name, fan_out in _fan_outs(lowered).items():
            self.blocks[self.names.index(name)].fan_out = torch.from_numpy(fan_out)

    def spent(self) -> Tensor:
        """Return the synaptic events of the last pass, as a share of those of neurons that spike in every step."""
        return torch.stack([block.spent for block in self.blocks]).sum()

    def forward(self, inputs: Mapping[str, Tensor], levels: int | None) -> Tensor:
        """Return the readout's sum, shape (samples, values)."""
        values = dict(inputs)
        for name, block in zip(self.names, self.blocks, strict=True):
            values[name] = block(values, levels)
        return values[self.names[-1]].flatten(0, 1).T


def _fan_outs(lowered: Lowered) -> dict[str, NDArray[np.float32]]:
    """Return what a spike of each neuron costs, shape (channels, positions) by spiking block; they add up to 1."""
    found = {block.name: np.zeros(block.bias.shape) for block in lowered.blocks if block.kind is Kind.FIRE}
    for block in lowered.blocks:
        for projection in block.projections:
            geometry = projection.linear.geometry
            if projection.source in found:
                taps = np.bincount(geometry.taps_in, minlength=geometry.in_positions)
                cost = np.tile(taps * geometry.out_channels / geometry.groups, geometry.in_channels)
                found[projection.source] += cost.reshape(found[projection.source].shape)
    whole = sum(float(cost.sum()) for cost in found.values()) or 1.0
    return {name: (cost / whole).astype(np.float32) for name, cost in found.items()}


def train(
    lowered: Lowered,
    thresholds: Mapping[str, Floats],
    signals: Mapping[str, NDArray[np.float32]],
    *,
    classes: NDArray[np.int64] | None,
    schedule: Schedule,
    told: tuple[int, Callable[[str, float], None]],
) -> Trained:
    """Return trained blocks. signals: (samples, channels, positions) by input. told: epochs, and who is told of them.

    Adam with a cosine schedule, the order of samples drawn from the seed; torch's own generator is not touched. One
    thread, so that no order of sums differs between two runs.
    """
    thread_count = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        net = _Net(lowered, thresholds)
        _fit(net, signals, classes=classes, schedule=schedule, told=told)
    finally:
        torch.set_num_threads(thread_count)
    return _read_back(lowered, net, thresholds)


def _fit(
    net: _Net,
    signals: Mapping[str, NDArray[np.float32]],
    *,
    classes: NDArray[np.int64] | None,
    schedule: Schedule,
    told: tuple[int, Callable[[str, float], None]],
) -> None:
    """Train the net in place."""
    inputs = {name: torch.from_numpy(x).permute(1, 2, 0).contiguous() for name, x in signals.items()}
    wanted = None if classes is None else torch.from_numpy(classes)
    with torch.no_grad():
        answers = torch.cat([net(_taken(inputs, rows), None) for rows in _rows(inputs).split(256)])
    epochs, progress = told
    optimiser = torch.optim.Adam(net.parameters(), lr=schedule.learning_rate)
    cooling = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    generator = torch.Generator().manual_seed(schedule.seed)
    for epoch in range(epochs):
        progress(f"fine-tuning for {schedule.levels} steps, pass {epoch + 1} of {epochs}", epoch / epochs)
        for rows in torch.randperm(len(answers), generator=generator).split(_batch(net, schedule.batch)):
            optimiser.zero_grad()
            found = net(_taken(inputs, rows), schedule.levels)
            loss = _loss(found, answers[rows], None if wanted is None else wanted[rows])
            (loss + schedule.thrift * net.spent()).backward()
            optimiser.step()
        cooling.step()


def _rows(inputs: Mapping[str, Tensor]) -> Tensor:
    return torch.arange(min(x.shape[-1] for x in inputs.values()))


def _taken(inputs: Mapping[str, Tensor], rows: Tensor) -> dict[str, Tensor]:
    return {name: x[..., rows] for name, x in inputs.items()}


def _batch(net: _Net, wanted: int) -> int:
    """Return the samples of one step: fewer where gathering them would take more than 128 MiB for one layer."""
    maps = [part for block in net.blocks for part in block.maps]
    largest = max(part.geometry.in_channels * part.places.numel() for part in maps)
    return max(1, min(wanted, _GATHERED // largest))


def _loss(found: Tensor, answers: Tensor, classes: Tensor | None) -> Tensor:
    """Return the error against the float network's answer, half of it and half the class's where there are classes."""
    if classes is None:
        return nn.functional.mse_loss(found, answers) / answers.square().mean().clamp(min=1e-12)
    soft = nn.functional.cross_entropy(found, answers.softmax(dim=1))
    return _SOFT * soft + (1 - _SOFT) * nn.functional.cross_entropy(found, classes)


def _read_back(lowered: Lowered, net: _Net, thresholds: Mapping[str, Floats]) -> Trained:
    """Return the trained tensors as blocks; a max pooling passes its source's threshold on."""
    blocks: list[Block] = []
    found: dict[str, Floats] = {}
    for block, trained in zip(lowered.blocks, net.blocks, strict=True):
        if block.kind is Kind.MAX:
            found[block.name] = found.get(block.projections[0].source, thresholds[block.name])
            blocks.append(block)
            continue
        projections = tuple(
            replace(p, linear=replace(p.linear, weight=_array(m.weight)))
            for p, m in zip(block.projections, trained.maps, strict=True)
        )
        bias = block.bias + _array(trained.shift)[:, :, 0] if trained.has_bias else block.bias
        blocks.append(replace(block, projections=projections, bias=bias))
        if block.kind is Kind.FIRE:
            found[block.name] = _array(trained.worth())
    return Trained(lowered=replace(lowered, blocks=tuple(blocks)), thresholds=found)


def _array(tensor: Any) -> Floats:
    return np.asarray(tensor.detach().numpy(), dtype=np.float64)
