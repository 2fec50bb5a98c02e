"""Building and running the crossbar form: calibrated layers, written cells, draws of their noise."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twentywatts.errors import counted
from twentywatts.forms.crossbar.arrays import Cells, Layer, ReadNoise, corrected, exact_product, multiply, on_exact_grid
from twentywatts.forms.crossbar.calibration import cells_of, layers_of, quantised, record
from twentywatts.forms.crossbar.counting import Shapes, ones_share, shapes_of, vector_count, workload_of
from twentywatts.forms.crossbar.device import is_noisy, programmed
from twentywatts.forms.crossbar.graph import Plan, plan_of
from twentywatts.forms.crossbar.products import Product
from twentywatts.forms.crossbar.settings import check_setting
from twentywatts.forms.limits import check_simulation
from twentywatts.forms.protocol import FormResult, Inputs, Setting
from twentywatts.forms.runtime import BatchRunner, check_inputs, one_blas_thread, sample_count, threads
from twentywatts.machines.traits import CrossbarTraits
from twentywatts.network import Network

__all__ = ["DRAW_COUNT", "CrossbarForm", "build", "build_all"]

DRAW_COUNT = 5  # noise draws that accuracy is taken over
_BATCH_BYTES = 2**26  # input vectors of one layer, or a tensor, in one batch
_CELLS_KEPT = 2**26  # cells of all draws that a form keeps written; larger models are written anew per batch

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class CrossbarForm:
    """A model on arrays at one setting; ``run`` gives the outputs of every noise draw."""

    setting: Setting
    traits: CrossbarTraits
    plan: Plan
    layers: tuple[Layer, ...]
    runner: BatchRunner
    shapes: Shapes
    shape_samples: int
    seed: int
    draw_count: int
    name: str = "crossbar"
    _written: dict[int, dict[int, Cells]] = field(default_factory=lambda: defaultdict(dict), repr=False)

    def run(self, inputs: Inputs, *, batch: int = 1) -> FormResult:
        """Run all samples on every draw; ``batch`` changes nothing, since arrays take one vector after the other."""
        feeds = check_inputs(self.plan.session, inputs)
        count = sample_count(feeds)
        check_simulation(count * self._sums_per_sample(), f"{counted(count, 'sample')} on arrays")
        ones = np.zeros((2, len(self.layers)))
        pool = ReadNoise.pool(self.seed) if self.traits.read_noise_frac else np.zeros(1, dtype=np.float32)
        with one_blas_thread(), threads(min(4, os.cpu_count() or 1)) as workers:
            outputs = workers.map(lambda draw: self._draw(draw, feeds, pool, ones), range(self.draw_count))
            draws = np.stack(list(outputs))
        workload = workload_of(
            self.plan,
            self.layers,
            self.shapes,
            samples=self.shape_samples,
            active_frac=ones[0] / np.maximum(ones[1], 1.0),
            bits=(*check_setting(self.traits, self.setting), self.traits.dac_bits, self.traits.cell_bits),
        )
        noisy = is_noisy(self.traits)
        return FormResult(outputs=draws[0], workload=workload, draws=draws if noisy else None, notes=self.plan.notes)

    def _sums_per_sample(self) -> float:
        """Return how many products of one input digit and one cell a sample takes, in all draws."""
        total = 0.0
        for product, layer in zip(self.plan.products, self.layers, strict=True):
            passes = layer.phases * layer.grid.slices * (2 if layer.two_pass else 1)
            total += vector_count(product, self.shapes) * product.matrix.size * passes
        return total * self.draw_count / self.shape_samples

    def _draw(
        self, draw: int, feeds: Mapping[str, Array], pool: NDArray[np.float32], ones: Array
    ) -> NDArray[np.float32]:
        """Return the outputs of one draw; counts the ones of draw 0."""
        input_bits = int(self.setting["input_bits"])
        noises = [
            ReadNoise(self.traits.read_noise_frac, layer=index, draw=draw, seed=self.seed, pool=pool)
            for index in range(len(self.layers))
        ]

        def product(index: int, tensor: Array) -> Array:
            layer, geometry = self.layers[index], self.plan.products[index].geometry
            codes = geometry.vectors(quantised(tensor, layer.inputs))
            if draw == 0:
                ones[:, index] += ones_share(codes, input_bits * (2 if layer.two_pass else 1))
            cells = self._cells(index, draw, pool)
            if not layer.adc:
                return geometry.assemble(exact_product(codes, layer, cells.values), tensor.shape)
            found = multiply(codes, layer, cells, noises[index]) * cells.gain + cells.offset
            return geometry.assemble(found, tensor.shape)

        return self.runner.map(lambda part: self.plan.run(part, product), feeds, workers=1)

    def _cells(self, index: int, draw: int, pool: NDArray[np.float32]) -> Cells:
        """Return the written cells of a layer, kept while there is room; draws run side by side, each has its own."""
        kept = self._written[draw]
        if index in kept:
            return kept[index]
        cells = self._write(index, draw, pool)
        if sum(other.values.size for other in kept.values()) + cells.values.size <= _CELLS_KEPT // self.draw_count:
            kept[index] = cells
        return cells

    def _write(self, index: int, draw: int, pool: NDArray[np.float32]) -> Cells:
        """Write, age and measure the cells of a layer; measuring has read noise of its own."""
        layer = self.layers[index]
        if not layer.adc:
            return Cells(values=on_exact_grid(layer.weights.astype(np.float32), layer), scale=1.0)
        digits, scale = programmed(cells_of(layer), layer.grid, self.traits, seed=(self.seed, index, draw))
        side_by_side = np.concatenate(list(digits), axis=-1)
        cells = Cells(values=on_exact_grid(side_by_side, layer), scale=scale)
        frac, apart = self.traits.read_noise_frac, draw + self.draw_count
        noise = ReadNoise(frac, layer=index, draw=apart, seed=self.seed, pool=pool)
        return corrected(layer, cells, noise)


def build(
    network: Network, traits: CrossbarTraits, *, calibration: Inputs, setting: Setting, seed: int = 0
) -> CrossbarForm:
    """Return a model on the arrays of ``traits``; raises RefusedError naming the layer that cannot go there."""
    return build_all(network, traits, calibration=calibration, settings=[setting], seed=seed)[0]


def build_all(
    network: Network, traits: CrossbarTraits, *, calibration: Inputs, settings: Sequence[Setting], seed: int = 0
) -> list[CrossbarForm]:
    """Return the form at every setting; the model is read, cut and run on the calibration samples once."""
    plan = plan_of(network)
    feeds = check_inputs(plan.session, calibration)
    one = {key: array[:1] for key, array in feeds.items()}
    first, _ = BatchRunner.of(plan.session, network).batches(one)[0]
    shapes = shapes_of(plan, first)
    samples = len(next(iter(first.values())))
    runner = _runner(plan, network, shapes, samples)
    recording = record(plan, feeds, runner)
    return [
        CrossbarForm(
            setting=setting,
            traits=traits,
            plan=plan,
            layers=layers_of(plan, recording, traits, setting),
            runner=runner,
            shapes=shapes,
            shape_samples=samples,
            seed=seed,
            draw_count=DRAW_COUNT if is_noisy(traits) else 1,
        )
        for setting in settings
    ]


def _runner(plan: Plan, network: Network, shapes: Shapes, samples: int) -> BatchRunner:
    """Return batches whose vectors and tensors stay below 64 MB each; ``shapes`` are those of ``samples``."""
    elements = [_vector_elements(product, shapes) for product in plan.products]
    largest = max(elements + [prod(shape) for shape in shapes.values()]) * 4.0 / samples
    fixed = BatchRunner.of(plan.session, network).fixed
    return BatchRunner(fixed=fixed, limit=max(1, int(_BATCH_BYTES / largest)))


def _vector_elements(product: Product, shapes: Shapes) -> int:
    groups, rows, _ = product.matrix.shape
    return vector_count(product, shapes) * groups * rows
