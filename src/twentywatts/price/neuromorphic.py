"""The price of spikes on a neuromorphic chip: events, updates, messages, and the fixed power that most tools leave out.

E = chips (P_static + P_base) t + Σ_layers [ events e_syn + active updates e_upd + idle updates e_idle + spikes e_spike
    + messages (e_msg + hops e_hop) + MACs of analog inputs e_mac ] + E_io
t = t_io + Σ_steps max(tick, busiest core + t_sync) + (depth - 1) max(tick, t_sync)
The busiest core of a step holds the largest share of a layer: events t_syn + updates t_upd + spikes t_msg.
price/mapping.py lays the network out. docs/method/neuromorphic.md has sources, range and the known error.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from twentywatts.errors import counted
from twentywatts.ledger import Cause
from twentywatts.machines import Machine
from twentywatts.price.costs import Costs, Values
from twentywatts.price.mapping import Capacity, Placement, capacity_of, place
from twentywatts.scenario import Scenario
from twentywatts.uncertain import Array
from twentywatts.workload import SpikingWorkload

__all__ = ["Activity", "activity_of", "costs"]

_CHIP_PARTS = ("powered chips", "running overhead")
_COMPUTE_KEYS = "synaptic_event_energy_j neuron_update_energy_j neuron_idle_update_energy_j spike_energy_j".split()
_STEP_KEYS = ("step_overhead_s", "synaptic_event_time_s", "neuron_update_time_s", "message_time_s")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Activity:
    """What a chip executes for one inference: counts of shape (..., layers, timesteps); fill_steps empty the pipeline.

    events: synaptic operations billed. active, idle: neuron updates. spikes: out of the layer. messages: spikes
    delivered to cores of the layer. hops: mean tile hops of a message, shape (...).
    """

    events: Array
    active: Array
    idle: Array
    spikes: Array
    messages: Array
    hops: Array
    fill_steps: int


def costs(workload: SpikingWorkload, machine: Machine, values: Values, scenario: Scenario) -> Costs:
    """Return joules per inference by layer and cause, and the seconds of one batch (one inference after the other).

    ``workload`` arrays have shape (..., layers) and (..., layers, timesteps); ``values`` come from ``values_of``.
    Raises RefusedError where a layer fits on no core.
    """
    capacity = capacity_of(machine)
    placement = place(workload, capacity)
    activity = activity_of(workload, machine, placement, capacity)
    get = _reader(values)
    once_s = _encoding_s(workload, placement, machine, get) + get("inference_overhead_s")
    step_s = _busiest_s(activity, placement, get) + get("step_overhead_s")
    steps_s = np.maximum(step_s, get("timestep_s")).sum(axis=-2)
    fill_s = activity.fill_steps * np.maximum(get("step_overhead_s"), get("timestep_s"))
    inference_s = once_s + steps_s + fill_s
    ticking = bool(np.all(step_s[..., 0] <= get("timestep_s")[0]))
    return Costs(
        parts=(*workload.layers, *_CHIP_PARTS),
        energy_j=_energies(workload, activity, placement, inference_s, values),
        used=_used(machine, ticking=ticking),
        latency_s=inference_s * scenario.batch,
        idle_power_w=values["static_power_w"] * placement.chips.max(),
        chip_count=int(placement.chips.max()),
        bound=_bound(once_s, steps_s, ticking=ticking),
        notes=_notes(workload, machine, activity, placement),
        not_covered=_not_covered(machine, placement),
    )


def activity_of(workload: SpikingWorkload, machine: Machine, placement: Placement, capacity: Capacity) -> Activity:
    """Return what the chip executes for the counted workload.

    A clocked chip visits every neuron in every step, and one more step passes for each further layer. A chip without
    graded spikes repeats an event for every bit of payload. A full-row chip works on all neurons of a core per spike.
    """
    binary_only = not machine.traits.get("graded_spikes", False)
    repeats = workload.graded_bits if binary_only else 1
    events = np.asarray(workload.synaptic_events, dtype=np.float64) * repeats
    arriving = np.asarray(workload.spikes_in, dtype=np.float64) * repeats
    fanout = np.divide(events, arriving, out=np.zeros_like(events), where=arriving > 0)
    targets = np.clip(fanout / placement.neurons_per_core[..., None], 1.0, placement.cores[..., None])
    messages = arriving * targets
    if machine.traits.get("event_row") == "full":
        events = np.maximum(events, messages * capacity.neurons)
    clocked = machine.traits.get("neuron_update", "clocked") == "clocked"
    active = np.asarray(workload.updates, dtype=np.float64)
    neurons = np.asarray(workload.neuron_count, dtype=np.float64)[..., None]
    return Activity(
        events=events,
        active=active,
        idle=np.maximum(neurons - active, 0.0) if clocked else np.zeros_like(active),
        spikes=np.asarray(workload.spikes, dtype=np.float64) * repeats,
        messages=messages,
        hops=_mean_hops(machine, placement, capacity),
        fill_steps=(workload.depth_count or len(workload.layers)) - 1 if clocked else 0,
    )


def _mean_hops(machine: Machine, placement: Placement, capacity: Capacity) -> Array:
    """Return the mean distance of two random tiles of a square mesh of the tiles in use: 2/3 of its side."""
    tiles = np.minimum(placement.core_total, capacity.cores) / float(machine.traits.get("cores_per_tile", 1))
    return 2.0 / 3.0 * np.sqrt(np.maximum(tiles, 1.0))


def _reader(values: Values) -> Callable[[str], Array]:
    """Return a function that gives a figure's draws, or zeros of the same shape where the chip has none."""
    zero = np.zeros_like(values["static_power_w"])
    return lambda key: values.get(key, zero)


def _busiest_s(activity: Activity, placement: Placement, get: Callable[[str], Array]) -> Array:
    """Return the time of the busiest core in each step, shape (..., timesteps, 1 + draws)."""
    share = placement.share_frac[..., None]
    busy = (activity.events * share)[..., None] * get("synaptic_event_time_s")
    busy = busy + ((activity.active + activity.idle) * share)[..., None] * get("neuron_update_time_s")
    busy = busy + (activity.spikes * share)[..., None] * get("message_time_s")
    slowest: Array = busy.max(axis=-3)
    return slowest


def _encoding_s(
    workload: SpikingWorkload, placement: Placement, machine: Machine, get: Callable[[str], Array]
) -> Array:
    """Return the time of the analog first layer where it is done as synaptic operations, shape (..., 1 + draws)."""
    if "mac_energy_j" in machine.figures:
        return np.zeros_like(get("mac_energy_j"))
    slowest = (np.asarray(workload.mac_count, dtype=np.float64) * placement.share_frac).max(axis=-1)
    result: Array = slowest[..., None] * get("synaptic_event_time_s")
    return result


def _energies(
    workload: SpikingWorkload, activity: Activity, placement: Placement, inference_s: Array, values: Values
) -> dict[Cause, Array]:
    """Return joules of shape (..., layers + 2, 1 + draws) by cause; the last two parts are the chip's own."""
    get = _reader(values)
    mac_key = "mac_energy_j" if "mac_energy_j" in values else "synaptic_event_energy_j"
    idle = activity.idle.sum(axis=-1) + np.asarray(workload.neuron_count) * float(activity.fill_steps)
    idle_j = values.get("neuron_idle_update_energy_j", values["neuron_update_energy_j"])
    operations = activity.events.sum(axis=-1) + workload.op_count
    messages = activity.messages.sum(axis=-1)
    compute = operations[..., None] * values["synaptic_event_energy_j"]
    compute = compute + activity.active.sum(axis=-1)[..., None] * values["neuron_update_energy_j"]
    compute = compute + idle[..., None] * idle_j + activity.spikes.sum(axis=-1)[..., None] * get("spike_energy_j")
    routed = messages * activity.hops[..., None]
    found = {
        Cause.COMPUTE: _padded(compute),
        Cause.COMMUNICATION: _padded(
            messages[..., None] * get("message_energy_j") + routed[..., None] * get("hop_energy_j")
        ),
        Cause.CONVERSION: _padded(np.asarray(workload.mac_count, dtype=np.float64)[..., None] * values[mac_key]),
        Cause.STATIC: _fixed(compute, placement, inference_s, get),
    }
    if "inference_overhead_energy_j" in values:
        found[Cause.HOST] = _padded(np.zeros_like(compute))
        found[Cause.HOST][..., -1, :] += values["inference_overhead_energy_j"]
    return found


def _padded(layers: Array) -> Array:
    """Return layers' joules with two zero rows for the chip's own parts."""
    rows = np.zeros((*layers.shape[:-2], len(_CHIP_PARTS), layers.shape[-1]))
    return np.concatenate([layers, rows], axis=-2)


def _fixed(layers: Array, placement: Placement, inference_s: Array, get: Callable[[str], Array]) -> Array:
    """Return the energy of being powered, and of running, over the inference; no layer's share."""
    fixed = _padded(np.zeros_like(layers))
    chip_seconds = inference_s * placement.chips[..., None]
    fixed[..., -2, :] = get("static_power_w") * chip_seconds
    fixed[..., -1, :] = get("active_base_power_w") * chip_seconds
    return fixed


def _used(machine: Machine, *, ticking: bool) -> dict[Cause, tuple[str, ...]]:
    times = ("timestep_s",) if ticking else _STEP_KEYS
    mac_key = "mac_energy_j" if "mac_energy_j" in machine.figures else "synaptic_event_energy_j"
    return {
        Cause.COMPUTE: tuple(_COMPUTE_KEYS),
        Cause.COMMUNICATION: ("message_energy_j", "hop_energy_j"),
        Cause.CONVERSION: (mac_key,),
        Cause.STATIC: ("static_power_w", "active_base_power_w", "inference_overhead_s", *times),
        Cause.HOST: ("inference_overhead_energy_j",),
    }


def _bound(once_s: Array, steps_s: Array, *, ticking: bool) -> str:
    if once_s[..., 0].sum() > steps_s[..., 0].sum():
        return "input and output"
    return "time step" if ticking else "busiest core"


def _notes(workload: SpikingWorkload, machine: Machine, activity: Activity, placement: Placement) -> tuple[str, ...]:
    synapses = float(np.asarray(workload.synapse_count, dtype=np.float64).sum(axis=-1).mean())
    events = float(np.asarray(workload.synaptic_events).sum(axis=(-2, -1)).mean())
    load = (activity.events.sum(axis=-1) * placement.share_frac).reshape(-1, len(workload.layers)).mean(axis=0)
    notes = [
        f"{events / max(synapses, 1.0):.2g} spikes per synapse and inference",
        f"{counted(placement.core_total.max(), 'core')} on {counted(placement.chips.max(), 'chip')}, "
        f"busiest in layer '{workload.layers[int(load.argmax())]}'{_imbalance(load, activity, placement)}",
        f"energy of a synaptic event: {machine.figures['synaptic_event_energy_j'].condition}",
    ]
    if np.any(workload.mac_count) and "mac_energy_j" not in machine.figures:
        notes.append("the analog first layer is priced as one synaptic event per multiply-accumulate, a lower bound")
    if machine.value("timestep_s") and not machine.traits.get("event_row"):
        notes.append("one fixed tick per time step, whatever the load")
    return tuple(notes)


def _imbalance(load: Array, activity: Activity, placement: Placement) -> str:
    """Return by how much the busiest core exceeds the mean of all cores in use; nothing where there are no events."""
    mean = float((activity.events.sum(axis=(-2, -1)) / placement.core_total).mean())
    return f" with {load.max() / mean:.2g} times the mean load" if mean > 0 else ""


def _not_covered(machine: Machine, placement: Placement) -> tuple[str, ...]:
    missing = []
    if "message_energy_j" not in machine.figures and not machine.traits.get("event_includes_routing", False):
        missing.append("spike messages between cores: no energy is published")
    if placement.chips.max() > 1:
        missing.append("links between chips: no energy is published for this machine")
    return tuple(missing)
