"""An ONNX file as the subject of an estimation: counted, then priced as any processor's work."""

from __future__ import annotations

from pathlib import Path

from twentywatts.counting import count
from twentywatts.counting.work import processor_workload
from twentywatts.errors import RefusedError
from twentywatts.estimation.places import Place
from twentywatts.estimation.result import EstimationRow, ModelCard
from twentywatts.estimation.subject import Subject, row_of, with_batch
from twentywatts.price import price
from twentywatts.scenario import Scenario

__all__ = ["network"]

_PRECISIONS = {"": "fp32", "fp32": "fp32", "fp16": "fp16", "bf16": "fp16", "int8": "int8"}
_BATCHES = (1, 8, 64)


def network(path: Path, *, precision: str) -> Subject:
    """Return a network in an ONNX file; raises ModelError for a file that cannot be read."""
    from twentywatts.errors import InputError, nearest

    if precision not in _PRECISIONS:
        wanted = ", ".join(name for name in _PRECISIONS if name)
        raise InputError(f"unknown precision '{precision}'{nearest(precision, _PRECISIONS)}, wanted one of {wanted}")
    counts = count(path)
    held = _PRECISIONS[precision]

    def row(place: Place, batch: int, scenario: Scenario) -> EstimationRow:
        if place.machine.family != "processor":
            raise RefusedError(
                f"'{place.machine.name}' is no processor; `twentywatts compare` runs the model in its form"
            )
        if place.chip_count > 1:
            raise RefusedError("a network in an ONNX file runs on one chip")
        # a file that fixes its batch runs several times, and reads its weights each time
        counted = count(path, batch=batch) if counts.batch > 1 else counts
        workload = processor_workload(counted, precision=held, batch=batch)
        ledger = price(workload, place.machine, with_batch(scenario, batch))
        return row_of(place, batch, ledger, units=1.0, unit="inference", step_share=1.0)

    return Subject(
        model=ModelCard(
            name=path.name,
            title=path.stem,
            kind="network",
            precision=held,
            parameter_count=float(counts.parameter_count),
            active_parameter_count=float(counts.parameter_count),
            weight_bytes=float(counts.weight_bytes),
        ),
        use={"precision": held},
        what="One inference",
        batches=lambda place: _BATCHES,
        row=row,
    )
