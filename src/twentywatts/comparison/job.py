"""compare: the main job in one readable screen."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

from twentywatts.comparison.baselines import baselines
from twentywatts.comparison.chance import chance_note
from twentywatts.comparison.metrics import Metric, is_number, metric_of
from twentywatts.comparison.result import Comparison, ModelSummary, Refusal, Row
from twentywatts.comparison.rows import candidate_row, order, reference_row, yardstick_row
from twentywatts.comparison.search import Bench, Goal, Progress, make_bench
from twentywatts.comparison.split import check_targets, split, summary
from twentywatts.comparison.text import accuracy_text, is_share
from twentywatts.comparison.training import fine_tuned
from twentywatts.counting import Counts, count
from twentywatts.errors import InputError, ModelError, RefusedError, counted
from twentywatts.forms.limits import check_products
from twentywatts.machines import Machine, bundled_names, load, load_all, short_names
from twentywatts.network import Network
from twentywatts.readers import read
from twentywatts.readers.given_names import shown_name
from twentywatts.readers.given_samples import Data, data_file
from twentywatts.readers.samples import read_samples
from twentywatts.readers.torch_module import TorchModel, example_of, model_file
from twentywatts.scenario import Boundary, Scenario

__all__ = ["Job", "compare", "default_machines", "machine_names", "run"]

YARDSTICK = "human-brain"
REFERENCE = "this-cpu"


class Options(TypedDict, total=False):
    """What else ``compare`` takes by name: fields of a Scenario, and whether spiking rows may be fine-tuned."""

    fine_tune: bool

    batch: int
    rate_per_s: float | None
    duty_frac: float
    event_rate_per_s: float | None
    battery_j: float | None
    boundary: Boundary
    axes: dict[str, int]
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Everything that a comparison was asked for.

    is_measured: measure the rows of this processor where possible. fine_tune: where ``train`` is given, a chip with
    spikes is asked for and torch is installed, spiking rows may also run weights trained for few timesteps.
    """

    model: Path
    data: Path
    train: Path | None
    machines: tuple[str, ...]
    max_drop: float
    metric: Metric
    scenario: Scenario
    is_measured: bool = False
    fine_tune: bool = True


def default_machines() -> list[str]:
    """Return the processor at hand and every bundled machine but the yardstick."""
    return [REFERENCE, *(name for name in bundled_names() if name != YARDSTICK)]


def compare(
    model: str | Path | TorchModel,
    data: Data,
    *,
    train: Data | None = None,
    on: str | Sequence[str] | None = None,
    max_drop: float = 0.01,
    metric: str | Callable[[Any, Any], float] = "accuracy",
    **options: Unpack[Options],
) -> Comparison:
    """Return what accuracy a model keeps, and how many joules and seconds one inference costs, on each machine.

    model: an ONNX or .pt2 file, or a live torch module or program. data: samples that it serves, as an .npz with ``x``
    and ``y``, a pair (x, y) or arrays by name. train: samples to tune on; without it a seeded half of ``data`` tunes
    and only the other half is reported.
    on: machine names or .toml files (a list, or one text with commas), all bundled ones if None. max_drop: loss of
    the metric that still counts as kept.
    metric: accuracy, top-k, f1, mean-error or a function (outputs, targets) → number, of which more is better.
    options: fine_tune (False keeps spiking rows untrained although ``train`` is given), and fields of Scenario: batch,
    rate_per_s, duty_frac, event_rate_per_s, battery_j, boundary, axes, seed.
    Raises InputError for anything that cannot be used; machines that cannot carry the model are listed as refused.
    """
    may_train = options.pop("fine_tune", True)
    scenario = Scenario(**options)  # type: ignore[misc]  # what is left are its fields
    with ExitStack() as stack:
        samples = stack.enter_context(data_file(data))
        return run(
            Job(
                model=stack.enter_context(model_file(model, example=example_of(model, samples))),
                data=samples,
                train=None if train is None else stack.enter_context(data_file(train, name="train")),
                machines=machine_names(on),
                max_drop=max_drop,
                metric=metric_of(metric),
                scenario=scenario,
                fine_tune=may_train,
            )
        )


def machine_names(on: str | Sequence[str] | None) -> tuple[str, ...]:
    """Return machine names of a list, of a text with commas, or the default ones; raises InputError for none at all."""
    if on is None:
        return tuple(default_machines())
    names = tuple(name.strip() for name in on.split(",")) if isinstance(on, str) else tuple(on)
    if not names or not all(isinstance(name, str) and name for name in names):
        raise InputError(f"no name of a machine, or an empty one, in {on!r}; `twentywatts machines` lists them all")
    return names


def run(job: Job, progress: Progress = lambda text, share: None) -> Comparison:
    """Return the comparison of a Job; ``progress`` is told what happens next and the share that is done."""
    if not is_number(job.max_drop) or not 0 <= job.max_drop < math.inf:
        raise InputError(f"the largest drop must be a number of at least 0, got {job.max_drop!r}")
    if is_share(job.metric.name) and job.max_drop > 1:
        raise InputError(f"the largest drop is a share: 0.02 is two points, got {job.max_drop!r}")
    machines = load_all(job.machines)
    progress("reading the model", 0.0)
    network = read(job.model, batch=1, axes=job.scenario.axes)
    counts = count(job.model, batch=job.scenario.batch, axes=job.scenario.axes)
    if not any(layer.mac_count or layer.op_count or layer.output_bytes for layer in counts.layers):
        raise ModelError(f"'{job.model.name}' has no layer whose work is known: there is nothing to compare")
    if not network.outputs:
        raise ModelError(f"'{job.model.name}' has no output: there is nothing to compare")
    check_products(counts.mac_count / counts.batch, job.model.name)
    parts = split(
        read_samples(job.data, network),
        None if job.train is None else read_samples(job.train, network),
        seed=job.scenario.seed,
    )
    classes = check_targets(parts, job.metric)
    progress("running the reference", 0.03)
    processor = load(REFERENCE)
    bench = make_bench(
        network, counts, parts, goal=Goal(metric=job.metric, max_drop=job.max_drop), scenario=job.scenario
    )
    bench, trained = _fine_tuned(job, bench, machines, progress)
    reference = reference_row(bench, processor)
    rows, refused = _rows(bench, machines, reference, progress)
    progress("training the baselines", 0.92)
    classical = baselines(bench, processor, reference.ledger)
    comparison = Comparison(
        model=_model_summary(job.model, network, counts),
        data=summary(parts, job.metric, classes),
        scenario=job.scenario,
        max_drop=job.max_drop,
        rows=(reference, *order(rows), yardstick_row(load(YARDSTICK), reference, job.scenario)),
        refused=tuple(refused),
        baselines=tuple(classical),
        notes=(*short_names(job.machines), *_notes(bench), *trained),
        chance=chance_note(job.metric, bench.reported.outputs, parts.reported.targets, max_drop=job.max_drop),
    )
    return _measured(comparison, bench, machines, progress) if job.is_measured else comparison


def _fine_tuned(
    job: Job, bench: Bench, machines: Sequence[Machine], progress: Progress
) -> tuple[Bench, tuple[str, ...]]:
    """Return the bench with weights for few timesteps where they are wanted, and what a reader must know of them."""
    spiking = any(machine.family == "neuromorphic" and not machine.refused for machine in machines)
    if job.train is None or not job.fine_tune or not spiking:
        return bench, ()
    trained, note = fine_tuned(bench.network, bench.parts, seed=job.scenario.seed, progress=progress)
    return replace(bench, trained=trained), (note,)


def _measured(comparison: Comparison, bench: Bench, machines: Sequence[Machine], progress: Progress) -> Comparison:
    """Return the comparison with the rows of the processor at hand measured, where it has a live counter."""
    from twentywatts.comparison.measured import with_measured_rows

    progress("measuring on this processor", 0.95)
    present = {row.machine for row in comparison.rows}
    here = [machine for machine in machines if machine.name == REFERENCE and machine.name in present]
    return with_measured_rows(comparison, bench, {machine.name: bench.choose(machine).form for machine in here})


def _rows(
    bench: Bench, machines: Sequence[Machine], reference: Row, progress: Progress
) -> tuple[list[Row], list[Refusal]]:
    """Return the rows of the machines that carry the model, and why the others do not."""
    rows, refused = [], []
    for index, machine in enumerate(machines):
        progress(machine.title, 0.05 + 0.85 * index / len(machines))
        if machine.family == "brain":
            continue
        try:
            if machine.refused:
                raise RefusedError(machine.refused)
            rows.append(candidate_row(bench, machine, reference))
        except RefusedError as error:
            entry = Refusal(machine=machine.name, title=machine.title, family=machine.family, reason=str(error))
            refused.append(entry)
    return rows, refused


def _model_summary(path: Path, network: Network, counts: Counts) -> ModelSummary:
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return ModelSummary(
        name=shown_name(path),
        sha256=digest,
        mac_count=counts.mac_count // counts.batch,
        parameter_count=counts.parameter_count,
        weight_bytes=counts.weight_bytes,
        layer_count=len(network.layers),
        unknown=tuple(f"{layer.name} ({layer.op}): {layer.reason}" for layer in counts.unknown),
    )


def _notes(bench: Bench) -> tuple[str, ...]:
    """Return what holds for the whole table."""
    counts = bench.counts
    notes = [*counts.notes, *_flattered(bench)]
    if counts.unknown:
        share = f"{100 * counts.unknown_node_frac:.1f} %"
        some = counted(len(counts.unknown), "layer")
        notes.append(f"{some} ({share}) not understood: processor rows are a lower bound")
    return tuple(notes)


def _flattered(bench: Bench) -> list[str]:
    """Return a warning where the model does much better on the tuning samples: it was probably trained on them."""
    metric = bench.goal.metric
    interval = metric.interval(bench.reported.outputs, bench.parts.reported.targets)
    tuned = metric.score(bench.tuned.outputs, bench.parts.tuning.targets)
    if interval is None or tuned <= interval[1]:
        return []
    return [
        f"the model reaches {accuracy_text(tuned, metric.name)} on the tuning samples, more than on the reported ones: "
        "if it was trained on them, settings chosen there are too coarse; tune on samples that it has not seen"
    ]
