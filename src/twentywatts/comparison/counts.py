"""What was done per inference, as a report states it."""

from __future__ import annotations

from functools import singledispatch

from twentywatts.workload import BrainWorkload, CrossbarWorkload, ProcessorWorkload, SpikingWorkload, Workload

__all__ = ["counts_of"]


@singledispatch
def counts_of(workload: Workload) -> dict[str, float]:
    """Return the counts of one inference by name."""
    return {}


@counts_of.register
def _(workload: ProcessorWorkload) -> dict[str, float]:
    share = 1.0 / workload.batch
    return {
        "mac_count": float(workload.mac_count.sum()) * share,
        "op_count": float(workload.op_count.sum()) * share,
        "weight_bytes": float(workload.weight_bytes.sum()),
        "activation_bytes": float((workload.input_bytes + workload.output_bytes).sum()) * share,
        "kernel_count": float(workload.kernel_count.sum()),
    }


@counts_of.register
def _(workload: SpikingWorkload) -> dict[str, float]:
    return {
        "timesteps": float(workload.timesteps),
        "synaptic_events": float(workload.synaptic_events.sum()),
        "neuron_updates": float(workload.updates.sum()),
        "spikes": float(workload.spikes.sum()),
        "mac_count": float(workload.mac_count.sum()),
        "neuron_count": float(workload.neuron_count.sum()),
    }


@counts_of.register
def _(workload: CrossbarWorkload) -> dict[str, float]:
    products = workload.vector_count * workload.group_count
    return {
        "mac_count": float((products * workload.row_count * workload.column_count).sum()),
        "matrix_vector_products": float(products.sum()),
        "op_count": float(workload.op_count.sum()),
        "output_bytes": float(workload.output_bytes.sum()),
    }


@counts_of.register
def _(workload: BrainWorkload) -> dict[str, float]:
    return {}
