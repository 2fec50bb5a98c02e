"""slim: the job in one readable screen: search, guard, ship, measure anew."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypedDict, Unpack

from twentywatts.comparison.job import machine_names
from twentywatts.comparison.metrics import Metric, is_number, metric_of
from twentywatts.comparison.overlap import apart
from twentywatts.comparison.search import Goal, Progress
from twentywatts.comparison.split import check_targets
from twentywatts.comparison.text import is_share
from twentywatts.counting import count
from twentywatts.errors import InputError, ModelError, nearest
from twentywatts.forms.limits import check_products
from twentywatts.forms.runtime import batch_limit, sample_bytes
from twentywatts.machines import load, short_names
from twentywatts.readers import read
from twentywatts.readers.files import external_files
from twentywatts.readers.given_samples import Data, data_file
from twentywatts.readers.samples import read_samples
from twentywatts.readers.torch_module import TorchModel, example_of, model_file
from twentywatts.scenario import Boundary, Scenario
from twentywatts.slimming.files import folder_of, given
from twentywatts.slimming.finish import finished
from twentywatts.slimming.learning.eager import eager_call
from twentywatts.slimming.proof.guard import parted
from twentywatts.slimming.proof.trial import Artefact, opened
from twentywatts.slimming.result import SlimData, Slimmed
from twentywatts.slimming.searching.clock import Clock
from twentywatts.slimming.searching.lab import Lab, Question, make_lab
from twentywatts.slimming.searching.ladder import AS_GIVEN, climb, hardened, rungs
from twentywatts.slimming.searching.making import made, why_no_training
from twentywatts.slimming.searching.memory import Memory, remembered
from twentywatts.slimming.searching.search import search
from twentywatts.slimming.searching.storage import held, open_storage
from twentywatts.slimming.shipping.artefacts import check_folder
from twentywatts.slimming.shipping.folder import shipped_files
from twentywatts.slimming.timing.measuring import Call
from twentywatts.slimming.timing.payback import spending
from twentywatts.slimming.timing.pricing import THIS_CPU

__all__ = ["METHODS", "Job", "run", "slim"]

METHODS = ("fold", "int8", "prune", "depth", "distil", "qat", "lowrank", "int4", "zeros")
_USUAL = tuple(name for name in METHODS if name != "zeros")  # zeros that no runtime skips save nothing: on request
_BUDGET_S = 120.0
_BATCH_BYTES = 2**31  # largest tensor of a batch that is still measured
_INTERRUPTED = (
    "the search was interrupted: this is what it had found; the same command goes on from there where --out was given"
)


class Options(TypedDict, total=False):
    """What else ``slim`` takes by name: where it writes, its seed, and fields of a Scenario."""

    out: str | Path | None
    force: bool
    methods: Sequence[str] | str | None
    budget_s: float
    batch: int
    boundary: Boundary
    axes: dict[str, int]
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Everything that slimming was asked for.

    max_drop: loss of the metric that counts as kept, a share for shares. machines: names; ``this-cpu`` is measured,
    the others are priced. budget_s: wall-clock time [s]. out: folder for what ships and for the search's storage,
    nothing is written where None. force: begin again in a folder that holds another search.
    """

    model: Path
    data: Path
    train: Path | None = None
    machines: tuple[str, ...] = (THIS_CPU,)
    max_drop: float = 0.01
    metric: Metric = field(default_factory=lambda: metric_of("accuracy"))
    methods: tuple[str, ...] = _USUAL
    budget_s: float = _BUDGET_S
    out: Path | None = None
    force: bool = False
    scenario: Scenario = field(default_factory=Scenario)


def slim(
    model: str | Path | TorchModel,
    data: Data,
    *,
    train: Data | None = None,
    on: str | Sequence[str] | None = THIS_CPU,
    max_drop: float = 0.01,
    metric: str | Callable[[Any, Any], float] = "accuracy",
    **options: Unpack[Options],
) -> Slimmed:
    """Return the model made smaller, with what it is proved to keep and what it is measured to save.

    model: an ONNX or .pt2 file, or a live torch module or program. data: samples that it serves, as an .npz with ``x``
    and ``y``, a pair (x, y) or arrays by name: a part ranks candidates, the rest proves. train: others to train on;
    without them nothing is trained.
    on: machine names or .toml files; ``this-cpu`` is measured, others are priced. max_drop: loss of the metric that
    still counts as kept (0.01 of a share is one point). metric: as for ``compare``.
    options: methods (some of ``METHODS``), budget_s [s], out (a folder for what ships; the search goes
    on from there if it was cut short), force (begin again there), and batch, axes, boundary and seed of a Scenario.
    Raises InputError for anything that cannot be used.
    """
    own: dict[str, Any] = {
        name: options.pop(name) for name in ("out", "force", "methods", "budget_s") if name in options
    }
    scenario = Scenario(**options)  # type: ignore[misc]  # what is left are its fields
    with ExitStack() as stack:
        samples = stack.enter_context(data_file(data))
        training = None if train is None else stack.enter_context(data_file(train, name="train"))
        job = Job(
            model=stack.enter_context(model_file(model, example=example_of(model, samples))),
            data=samples,
            train=training,
            machines=machine_names(THIS_CPU if on is None else on),
            max_drop=max_drop,
            metric=metric_of(metric),
            scenario=scenario,
            **_settings(own),
        )
        return run(job, eager=eager_call(model, samples, batch=scenario.batch))


def _settings(own: dict[str, Any]) -> dict[str, Any]:
    """Return the options that are no fields of a Scenario as a Job holds them."""
    return {
        "methods": method_names(own.get("methods")),
        "budget_s": own.get("budget_s", _BUDGET_S),
        "out": folder_of(own.get("out")),
        "force": bool(own.get("force", False)),
    }


def method_names(methods: Sequence[str] | str | None) -> tuple[str, ...]:
    """Return the methods of a list or a text with commas, the usual where None; raises InputError for unknown ones."""
    if methods is None:
        return _USUAL
    names = tuple(name.strip() for name in methods.split(",")) if isinstance(methods, str) else tuple(methods)
    for name in names:
        if name not in METHODS:
            raise InputError(
                f"unknown method '{name}'{nearest(str(name), METHODS)}, wanted some of {', '.join(METHODS)}"
            )
    if not names:
        raise InputError(f"no method at all; wanted some of {', '.join(METHODS)}")
    return tuple(dict.fromkeys(names))


def run(
    job: Job,
    progress: Progress = lambda text, share: None,
    *,
    eager: Call | None = None,
    stopping: Callable[[], None] = lambda: None,
) -> Slimmed:
    """Return what slimming a Job comes to; ``progress`` is told what happens next and the share that is done.

    eager: runs one batch of the module in torch, where the model was one: what the runtime alone saves. stopping: is
    called when Ctrl-C ends the search: what it found is then proved and measured briefly, and nothing else is begun. A
    second one ends everything; what was found lies in the storage.
    """
    began_s = time.monotonic()
    _check(job)
    progress("reading the model", 0.0)
    with ExitStack() as stack:
        lab, data = _lab(job, began_s, stopping, stack)
        return _result(job, lab, data, eager, progress)


def _result(job: Job, lab: Lab, data: SlimData, eager: Call | None, progress: Progress) -> Slimmed:
    with spending() as told:
        lab.clock.unless_stopped(lambda: _search(lab, progress))
    earlier_cpu_s = lab.memory.spent[1]
    lab.memory.spend(lab.clock.elapsed_s, told().cpu_s)
    cost = replace(told(), cpu_s=told().cpu_s + earlier_cpu_s)
    result = finished(job, lab, data, cost=cost, eager=eager, progress=progress)
    progress("writing what ships", 0.99)
    written = () if job.out is None else shipped_files(job.out, result.best, lab, force=job.force)
    is_interrupted = lab.clock.stop.is_set()
    notes = (*short_names(job.machines), *result.notes, *written, *([_INTERRUPTED] if is_interrupted else []))
    return replace(result, folder=job.out, is_interrupted=is_interrupted, notes=notes)


def _search(lab: Lab, progress: Progress) -> None:
    """Try what there is time for."""
    wanted = list(rungs(lab, is_trained=not why_no_training(lab)))
    climb(lab, made, wanted, lambda text, share: progress(text, 0.05 + 0.3 * share))
    if "qat" in lab.question.methods and not why_no_training(lab):
        climb(lab, made, [AS_GIVEN, *hardened(lab)], lambda text, share: progress(text, 0.35))
    if any(rung.is_cut or rung.blocks for rung in wanted):
        search(lab, made, lambda text, share: progress(text, 0.35 + 0.35 * share))


def _check(job: Job) -> None:
    if not is_number(job.max_drop) or not 0 <= job.max_drop < float("inf"):
        raise InputError(f"the largest drop must be a number of at least 0, got {job.max_drop!r}")
    if is_share(job.metric.name) and job.max_drop > 1:
        raise InputError(f"the largest drop is a share: 0.01 is one point, got {job.max_drop!r}")
    if not is_number(job.budget_s) or not 0 <= job.budget_s < 1e7:
        raise InputError(f"the budget must be seconds from 0 to ten million, got {job.budget_s!r}")
    for name in job.machines:
        load(name)


def _lab(job: Job, began_s: float, stopping: Callable[[], None], stack: ExitStack) -> tuple[Lab, SlimData]:
    """Return the lab of a job and how its samples are used; the stack keeps its folder from other searches."""
    network = read(job.model, batch=1, axes=job.scenario.axes)
    if not network.outputs:
        raise ModelError(f"'{job.model.name}' has no output: there is nothing to keep")
    check_products(count(network).mac_count / network.batch, job.model.name)
    if job.scenario.batch * sample_bytes(network) > _BATCH_BYTES:
        raise InputError(f"a batch of {job.scenario.batch:,} is too large to be measured: a tensor of it tops 2 GiB")
    data = read_samples(job.data, network)
    train = None if job.train is None else read_samples(job.train, network)
    shared = ""
    if train is not None:
        train, shared = apart(train, data)
    parts = parted(data, seed=job.scenario.seed, trained=train is not None)
    classes = check_targets(parts, job.metric)
    used = SlimData(
        name=data.name,
        train_count=train.count if train else 0,
        search_count=parts.tuning.count,
        guard_count=parts.reported.count,
        class_count=classes,
        metric=job.metric.name,
        split="; ".join(text for text in (parts.sentence, shared) if text),
    )
    memory = _memory(job, stack)
    artefact = opened(given(job.model), limit=batch_limit(network))
    question = Question(
        goal=Goal(metric=job.metric, max_drop=job.max_drop),
        scenario=_with_batch(job.scenario, artefact),
        methods=frozenset(job.methods),
        is_timed=THIS_CPU in job.machines,
    )
    others = any(name != THIS_CPU for name in job.machines)
    clock = Clock(
        budget_s=job.budget_s,
        spent_s=memory.spent[0],
        asks_others=others,
        trains=train is not None,
        began_s=began_s,
        stopping=stopping,
    )
    return make_lab(artefact, parts, train=train, question=question, memory=memory, clock=clock), used


def _with_batch(scenario: Scenario, artefact: Artefact) -> Scenario:
    """Return the scenario with the batch that the model demands, where none was asked for; raises InputError."""
    wanted = artefact.batch
    if wanted is None or wanted == scenario.batch:
        return scenario
    if scenario.batch == 1:
        return replace(scenario, batch=wanted)
    raise InputError(
        f"the model takes batches of {wanted}, got {scenario.batch}: export it with an open batch axis to choose"
    )


def _memory(job: Job, stack: ExitStack) -> Memory:
    if job.out is None:
        return Memory()
    given = [job.model, *external_files(job.model), job.data, *filter(None, [job.train])]
    check_folder(job.out, force=job.force, keep=given)
    stack.enter_context(held(job.out))
    question = {
        "model": _digest(job.model),
        "data": _digest(job.data),
        "train": _digest(job.train) if job.train else "",
        "metric": job.metric.name,
        "max_drop": job.max_drop,
        "batch": job.scenario.batch,
        "axes": dict(job.scenario.axes),
        "seed": job.scenario.seed,
        "methods": sorted(job.methods),
        "is_timed": THIS_CPU in job.machines,
    }
    return remembered(open_storage(job.out, question, anew=job.force))


def _digest(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read '{path}': {error.strerror or error}") from error
