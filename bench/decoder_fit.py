"""The fit of the decoder's constants: base × chip family × software, in logarithms, with priors and a robust loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from scipy.optimize import least_squares

from decoder_rows import PROMPTS, Row, workload_of
from twentywatts.machines import load
from twentywatts.price.decoder_step import NAMES, Setting, Step, step
from twentywatts.price.decoder_work import PassWork, Rates, pass_work, rates_of
from twentywatts.uncertain import Array

# what is believed before any row is seen: value, standard deviation of its logarithm, of a family's and of a
# software's factor (0: shared by all), and the most it may be (a share of a peak is no more than that)
PRIORS: Mapping[str, tuple[float, float, float, float, float]] = {
    "weight_bandwidth_frac": (0.75, 0.3, 0.15, 0.1, 0.92),
    "expert_bandwidth_frac": (0.5, 0.4, 0.2, 0.15, 0.92),
    "narrow_expert_frac": (0.6, 0.4, 0.15, 0.0, 1.0),
    "cache_bandwidth_frac": (0.6, 0.5, 0.1, 0.45, 0.92),
    "shared_heads_exponent": (0.15, 0.7, 0.0, 0.7, 1.0),
    "decode_compute_frac": (0.5, 0.4, 0.2, 0.0, 0.9),
    "prefill_compute_frac": (0.5, 0.4, 0.1, 0.3, 0.9),
    "expert_prefill_frac": (0.7, 0.4, 0.1, 0.3, 1.0),
    "narrow_prefill_frac": (0.6, 0.5, 0.3, 0.0, 1.0),
    "data_parallel_prefill_frac": (0.33, 0.7, 0.0, 0.0, 1.0),
    "overlap_exponent": (2.5, 0.3, 0.0, 0.0, 8.0),
    "distinct_frac": (0.7, 0.4, 0.1, 0.0, 1.0),
    "layer_time_s": (8e-6, 0.8, 0.2, 0.7, 1.0),
    "expert_layer_time_s": (20e-6, 1.0, 0.25, 0.8, 1.0),
    "narrow_layer_time_s": (20e-6, 1.0, 0.2, 0.0, 1.0),
    "padded_expert_frac": (0.5, 0.4, 0.1, 0.0, 0.9),
    "round_time_s": (5e-6, 0.8, 0.2, 0.7, 1.0),
    "expert_round_time_s": (10e-6, 1.0, 0.0, 0.0, 1.0),
    "link_frac": (0.5, 1.0, 0.2, 0.3, 0.9),
    "host_step_time_s": (2e-3, 1.0, 0.4, 1.5, 1.0),
    "host_sequence_time_s": (3e-5, 1.5, 0.4, 1.5, 1.0),
    "host_request_time_s": (3e-3, 1.0, 0.4, 1.0, 1.0),
    "static_power_frac": (0.35, 0.4, 0.3, 0.2, 0.9),
    "waiting_power_frac": (0.2, 0.4, 0.1, 0.3, 0.9),
    "memory_energy_j_per_byte": (64e-12, 0.5, 0.3, 0.2, 1.0),
    "compute_energy_j": (0.5e-12, 0.5, 0.3, 0.2, 1.0),
    "link_energy_j_per_byte": (80e-12, 1.0, 0.0, 0.0, 1.0),
}
GRID = (0.25, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0)  # times the assumed prompt
PROMPT_SD, CONTENTION_SD = 0.4, 1.2
NOISE, TIME_WEIGHT, BETWEEN_WEIGHT, GROUP_WEIGHT = 0.15, 0.5, 0.5, -0.25
TASKS = tuple(PROMPTS)


class Table:
    """Rows with their work on a grid of prompt lengths, as arrays that one call prices."""

    def __init__(self, rows: Sequence[Row], families: Mapping[str, str]) -> None:
        self.rows = list(rows)
        self.softwares = sorted({row.software for row in rows})
        self.families = sorted(set(families.values()))
        self.contentions = sorted({row.contention for row in rows} - {""})
        self.family = np.array([self.families.index(families[row.machine]) for row in rows])
        self.software = np.array([self.softwares.index(row.software) for row in rows])
        self.task = np.array([TASKS.index(row.task) for row in rows])
        self.contention = np.array([self.contentions.index(r.contention) if r.contention else -1 for r in rows])
        self.energy_j = np.array([row.energy_j for row in rows])
        self.step_s = np.array([row.step_s for row in rows])
        self.between_s = np.array([row.between_s for row in rows])
        self.groups = np.array([row.group for row in rows])
        self.batch = np.array([row.batch for row in rows])
        self.output = np.array([max(row.output_tokens, 2.0) for row in rows])
        self.chips = np.array([float(row.parallelism.chip_count) for row in rows])
        self.data = np.array([float(row.parallelism.data) for row in rows])
        self.routed = np.array([row.is_routed for row in rows])
        self.narrow = np.array([row.precision == "fp8" for row in rows])
        self.machine = np.array([row.machine for row in rows])
        rates = {name: rates_of(load(name)) for name in families}
        self.power_w = np.array([rates[row.machine].power_w for row in rows])
        self.stacked = self._stack(rates)
        self._kept: tuple[tuple[bytes, bytes], tuple[PassWork, PassWork]] | None = None

    def _stack(self, rates: Mapping[str, Rates]) -> tuple[dict[str, Array], dict[str, Array]]:
        """Return prefill and decode: field → array of shape (grid, rows); rows of one model and place go together."""
        shape = (len(GRID), len(self.rows))
        found = ({field.name: np.zeros(shape) for field in fields(PassWork)} for _ in range(2))
        prefill, decode = found
        alike: dict[tuple[object, ...], list[int]] = {}
        for number, row in enumerate(self.rows):
            alike.setdefault((row.model, row.precision, row.parallelism, row.machine), []).append(number)
        for numbers in alike.values():
            rows = [self.rows[number] for number in numbers]
            prompts = np.outer(GRID, [row.prompt_tokens for row in rows])
            load = workload_of(rows, prompts)
            for table, phase in ((prefill, load.prefill), (decode, load.decode)):
                work = pass_work(phase, load, rates[rows[0].machine])
                for name, array in table.items():
                    array[:, numbers] = getattr(work, name)
        return prefill, decode

    def works(self, factors: Array, index: Array) -> tuple[PassWork, PassWork]:
        """Return the work of the rows ``index`` for prompts of ``factors`` times the assumed ones, interpolated."""
        key = (factors.tobytes(), index.tobytes())
        if self._kept and self._kept[0] == key:  # most columns of a Jacobian leave the prompts alone
            return self._kept[1]
        grid = np.array(GRID)
        inside = np.clip(factors, GRID[0], GRID[-1])
        upper = np.clip(np.searchsorted(grid, inside), 1, len(grid) - 1)
        share = (inside - grid[upper - 1]) / (grid[upper] - grid[upper - 1])
        found = []
        for table in self.stacked:
            values = {
                name: array[upper - 1, index] * (1 - share) + array[upper, index] * share
                for name, array in table.items()
            }
            found.append(PassWork(**values))
        self._kept = (key, (found[0], found[1]))
        return self._kept[1]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where each unknown stands in the vector of the fit."""

    base: Array
    base_sd: Array
    family_index: Array
    family_sd: Array
    software_index: Array
    software_sd: Array
    ceiling: Array


def layout() -> Layout:
    """Return the priors as arrays; only constants with a spread between families (softwares) get a factor there."""
    table = np.array([PRIORS[name] for name in NAMES])
    family, software = np.flatnonzero(table[:, 2]), np.flatnonzero(table[:, 3])
    return Layout(
        base=np.log(table[:, 0]),
        base_sd=table[:, 1],
        family_index=family,
        family_sd=table[family, 2],
        software_index=software,
        software_sd=table[software, 3],
        ceiling=np.log(table[:, 4]),
    )


class Model:
    """Unknowns and priors for a table; ``predict`` prices rows with a vector of unknowns."""

    def __init__(self, table: Table) -> None:
        self.table, self.layout = table, layout()
        lay = self.layout
        counts = (len(lay.base), len(table.families) * len(lay.family_index))
        counts += (len(table.softwares) * len(lay.software_index), len(TASKS), len(table.contentions))
        self.ends = np.cumsum(counts)
        self.mean = np.concatenate([lay.base, np.zeros(sum(counts[1:]))])
        self.sd = np.concatenate(
            [
                lay.base_sd,
                np.tile(lay.family_sd, len(table.families)),
                np.tile(lay.software_sd, len(table.softwares)),
                np.full(len(TASKS), PROMPT_SD),
                np.full(len(table.contentions), CONTENTION_SD),
            ]
        )

    def parts(self, x: Array) -> tuple[Array, Array, Array, Array, Array]:
        """Return base, family and software factors (logarithms, one row each), prompts, contentions."""
        lay, table = self.layout, self.table
        base, family, software, prompts, contention = np.split(x, self.ends[:-1])
        families = np.zeros((len(table.families), len(base)))
        families[:, lay.family_index] = family.reshape(len(table.families), -1)
        softwares = np.zeros((len(table.softwares), len(base)))
        softwares[:, lay.software_index] = software.reshape(len(table.softwares), -1)
        return base, families, softwares, prompts, contention

    def constants(self, x: Array, index: Array, *, unseen: bool = False) -> dict[str, Array]:
        """Return each constant for the rows; ``unseen``: no family's factor."""
        base, families, softwares, _, _ = self.parts(x)
        logs = base + softwares[self.table.software[index]]
        if not unseen:
            logs = logs + families[self.table.family[index]]
        values = np.exp(np.minimum(logs, self.layout.ceiling))
        return {name: values[:, column] for column, name in enumerate(NAMES)}

    def steps(self, x: Array, index: Array, *, unseen: bool = False, alone: bool = False) -> tuple[Step, Step]:
        """Return prefill and decode of the rows. ``alone``: no contention is known."""
        table = self.table
        _, _, _, prompts, contention = self.parts(x)
        slow = np.exp(np.append(contention, 0.0))[table.contention[index]]
        prefill, decode = table.works(np.exp(prompts)[table.task[index]], index)
        k = self.constants(x, index, unseen=unseen)
        setting = Setting(
            chip_count=table.chips[index],
            power_w=table.power_w[index],
            groups=table.data[index],
            batch=table.batch[index],
            contention=np.ones(len(index)) if alone else slow,
        )
        return step(prefill, setting, k, prefill=True), step(decode, setting, k, prefill=False)

    def predict(self, x: Array, index: Array, *, unseen: bool = False, alone: bool = False) -> tuple[Array, Array]:
        """Return seconds per token and sequence, and joules per output token."""
        return self._whole(self.steps(x, index, unseen=unseen, alone=alone), index)

    def _whole(self, steps: tuple[Step, Step], index: Array) -> tuple[Array, Array]:
        """Return the same of prefill and decode."""
        first, later = steps
        written = self.table.output[index]
        time_s = (first.time_s + (written - 1.0) * later.time_s) / written
        energy = (first.energy_j + (written - 1.0) * later.energy_j) / (written * self.table.batch[index])
        return time_s, energy

    def weights(self, index: Array) -> Array:
        """Return the weight of each row, over the noise: large groups of rows weigh less per row."""
        groups = self.table.groups[index]
        names, counts = np.unique(groups, return_counts=True)
        weight = counts[np.searchsorted(names, groups)].astype(float) ** GROUP_WEIGHT
        return np.asarray(weight / (np.sqrt(np.mean(weight**2)) * NOISE))

    def fit(self, index: Array, *, start: Array | None = None, evaluations: int = 60) -> Array:
        """Return the unknowns that fit the rows ``index``; large groups of rows weigh less per row.

        Three things are fitted: joules, seconds per token, and seconds between tokens of a step without a prompt.
        """
        table = self.table
        told = table.between_s[index] > 0
        between = np.log(np.where(told, table.between_s[index], 1.0))
        weight = self.weights(index)
        energy, time = np.log(table.energy_j[index]), np.log(table.step_s[index])

        def cost(x: Array) -> Array:
            steps = self.steps(x, index)
            time_s, energy_j = self._whole(steps, index)
            return np.concatenate(
                [
                    weight * robust(np.log(energy_j) - energy),
                    TIME_WEIGHT * weight * robust(np.log(time_s) - time),
                    BETWEEN_WEIGHT * (weight * robust(np.log(steps[1].time_s) - between))[told],
                    (x - self.mean) / self.sd,
                ]
            )

        first = self.mean if start is None else start
        found = least_squares(cost, first, x_scale="jac", max_nfev=evaluations, ftol=1e-5, xtol=1e-5)
        return np.asarray(found.x)


def robust(values: Array) -> Array:
    """Return residuals whose squares are the soft L1 loss: a far row pulls like its distance, not its square."""
    scaled = (values / NOISE) ** 2
    return np.sign(values) * NOISE * np.sqrt(2.0 * (np.sqrt(1.0 + scaled) - 1.0))
