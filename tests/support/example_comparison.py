"""A small comparison for tests: fake machines, priced by the real pricers (the golden one: fixed numbers)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from twentywatts.comparison.result import Baseline, Comparison, DataSummary, ModelSummary, Refusal, Role, Row
from twentywatts.comparison.twins import Twin
from twentywatts.figures import Evidence
from twentywatts.ledger import Cause, Entry, Ledger
from twentywatts.machines import Machine
from twentywatts.machines.catalog import parse
from twentywatts.price import price
from twentywatts.price.always_on import Standby, standby
from twentywatts.scenario import Boundary, Scenario
from twentywatts.uncertain import Interval, Spread
from twentywatts.workload import BrainWorkload, CrossbarWorkload, ProcessorWorkload, SpikingWorkload, Workload

_TWIN_RATIO = Interval(low=1.2, mid=1.5, high=1.9)
LAYERS = ("conv1", "conv2", "fc")
MACS = np.array([36_864.0, 147_456.0, 5_120.0])
WEIGHTS = np.array([144.0, 2_304.0, 5_120.0])
OUTPUTS = np.array([1_024.0, 1_024.0, 10.0])
INPUTS = np.array([64.0, 1_024.0, 512.0])

# key: value, relative half width, unit; fake figures under real source keys
_FAKE: dict[str, dict[str, tuple[float, float, str]]] = {
    "processor": {
        "peak_fp32_flop_per_s": (1.0, 0.05, "TFLOP/s"),
        "peak_int8_op_per_s": (4.0, 0.05, "TOP/s"),
        "memory_bandwidth_bytes_per_s": (50.0, 0.05, "GB/s"),
        "memory_capacity_bytes": (16.0, 0.0, "GiB"),
        "memory_energy_j_per_byte": (120.0, 0.4, "pJ/byte"),
        "cache_capacity_bytes": (32.0, 0.0, "MiB"),
        "cache_energy_j_per_byte": (5.0, 0.4, "pJ/byte"),
        "max_power_w": (65.0, 0.1, "W"),
        "idle_power_w": (10.0, 0.2, "W"),
        "launch_time_s": (3.0, 0.5, "us"),
    },
    "neuromorphic": {
        "core_count": (64, 0.0, "1"),
        "neurons_per_core_count": (1024, 0.0, "1"),
        "synapses_per_core_count": (131_072, 0.0, "1"),
        "weight_bits": (8, 0.0, "bit"),
        "synaptic_event_energy_j": (20.0, 0.4, "pJ"),
        "neuron_update_energy_j": (60.0, 0.4, "pJ"),
        "message_energy_j": (4.0, 0.5, "pJ"),
        "step_overhead_s": (2.0, 0.5, "us"),
        "static_power_w": (30.0, 0.2, "mW"),
    },
    "crossbar": {
        "array_rows_count": (256, 0.0, "1"),
        "array_columns_count": (256, 0.0, "1"),
        "array_count": (48, 0.0, "1"),
        "cell_bits": (4, 0.0, "bit"),
        "input_bits": (4, 0.0, "bit"),
        "adc_bits": (8, 0.0, "bit"),
        "columns_per_weight_count": (2, 0.0, "1"),
        "array_read_time_s": (100.0, 0.3, "ns"),
        "static_power_w": (1.0, 0.3, "mW"),
        "cell_read_energy_j": (1.0, 0.4, "fJ"),
        "row_drive_energy_j": (50.0, 0.4, "fJ"),
        "adc_energy_j": (2.0, 0.4, "pJ"),
        "shift_add_energy_j": (0.2, 0.4, "pJ"),
        "buffer_energy_j_per_byte": (1.0, 0.4, "pJ/byte"),
        "digital_op_energy_j": (0.5, 0.4, "pJ"),
        "offchip_energy_j_per_byte": (60.0, 0.4, "pJ/byte"),
    },
    "brain": {"power_w": (20.0, 0.15, "W"), "communication_power_w": (3.5, 0.3, "W")},
}
_SOURCES = {
    "processor": "twentywatts",
    "neuromorphic": "davies2018",
    "crossbar": "wan2022",
    "brain": "balasubramanian2021",
}
_TITLES = {"processor": "CPU", "neuromorphic": "spiking chip", "crossbar": "crossbar", "brain": "brain"}


def fake_machine(family: str, name: str, **changes: Any) -> Machine:
    """Return a machine with plausible invented figures; ``changes`` replace keys of its file."""
    figures = {
        key: {
            "value": value,
            "low": value * (1 - width),
            "high": value * (1 + width),
            "unit": unit,
            "grade": "guess" if key == "static_power_w" else "paper",
            "source": _SOURCES[family],
            "where": "invented for a test",
            "condition": "none",
        }
        for key, (value, width, unit) in _FAKE[family].items()
    }
    tables: dict[str, Any] = {
        "schema": "twentywatts.machine/1",
        "name": name,
        "title": f"Fake {_TITLES[family]}",
        "family": family,
        "year": 2020,
        "summary": "Invented for a test.",
        "traits": {"kind": "cpu"},
        "figures": figures,
    }
    return parse({**tables, **changes}, origin="test")


def processor_workload(precision: str = "fp32") -> ProcessorWorkload:
    """Return the work of the example network on a processor."""
    bytes_per_value = {"fp32": 4.0, "int8": 1.0}[precision]
    return ProcessorWorkload(
        layers=LAYERS,
        mac_count=MACS,
        op_count=OUTPUTS,
        weight_bytes=WEIGHTS * bytes_per_value,
        input_bytes=INPUTS * bytes_per_value,
        output_bytes=OUTPUTS * bytes_per_value,
        kernel_count=np.ones(3),
        precision=precision,
    )


def spiking_workload(timesteps: int = 4) -> SpikingWorkload:
    """Return the work of the example network as spikes."""
    ones = np.ones((3, timesteps))
    return SpikingWorkload(
        layers=LAYERS,
        timesteps=timesteps,
        neuron_count=OUTPUTS,
        fan_in_count=np.array([9.0, 144.0, 512.0]),
        weight_count=WEIGHTS,
        synapse_count=MACS,
        shared_weights=(True, True, False),
        synaptic_events=np.array([[0.0], [0.1], [0.1]]) * MACS[:, None] * ones,
        updates=OUTPUTS[:, None] * ones,
        spikes=0.1 * OUTPUTS[:, None] * ones,
        spikes_in=0.1 * INPUTS[:, None] * ones,
        mac_count=np.array([MACS[0], 0.0, 0.0]),
        op_count=np.array([0.0, 0.0, 10.0]),
    )


def crossbar_workload() -> CrossbarWorkload:
    """Return the work of the example network on arrays."""
    return CrossbarWorkload(
        layers=LAYERS,
        row_count=np.array([9.0, 144.0, 512.0]),
        column_count=np.array([16.0, 16.0, 10.0]),
        group_count=np.ones(3),
        vector_count=np.array([64.0, 64.0, 1.0]),
        active_frac=np.full(3, 0.3),
        op_count=OUTPUTS,
        output_bytes=OUTPUTS,
        input_bits=4,
        weight_bits=4,
        dac_bits=1,
        cell_bits=4,
        adc_bits=8,
    )


def make_row(
    machine: Machine, workload: Workload, scenario: Scenario, *, reference: Ledger | None, **changes: Any
) -> Row:
    """Return a row with a priced ledger and plausible accuracy."""
    ledger = price(workload, machine, scenario)
    is_kept = scenario.rate_per_s is not None and machine.family != "brain"
    values: dict[str, Any] = {
        "role": Role.CANDIDATE if reference else Role.REFERENCE,
        "machine": machine.name,
        "title": machine.title,
        "family": machine.family,
        "form": "float",
        "setting": {},
        "accuracy": 0.981,
        "accuracy_interval": (0.970, 0.989),
        "accuracy_drop": 0.0,
        "drop_bound": 0.004,
        "keeps_accuracy": True,
        "verdict": "keeps the accuracy: at most 0.4 points are lost (95 % bound)",
        "counts": {"mac_count": float(MACS.sum())},
        "ratio": ledger.ratio(reference or ledger).interval,
        "standby": standby(workload, machine, scenario) if is_kept else None,
    }
    return Row(ledger=ledger, **{**values, **changes})


def example_comparison(*, model_name: str = "digits.onnx", **use: Any) -> Comparison:
    """Return a comparison of one machine of each family, priced by the real pricers; ``use``: of a Scenario."""
    scenario = Scenario(draws=200, **use)
    cpu = fake_machine("processor", "this-cpu", title="This computer's processor (fake)")
    reference = make_row(cpu, processor_workload(), scenario, reference=None)
    base = reference.ledger
    rows = [
        reference,
        make_row(cpu, processor_workload("int8"), scenario, reference=base, form="int8", accuracy=0.979),
        _spiking_row(scenario, base),
        _crossbar_row(scenario, base),
        _brain_row(scenario, base),
    ]
    return _comparison(rows, scenario, _baselines(cpu, scenario, base), model_name=model_name)


def _twin(ledger: Ledger) -> Twin:
    return Twin(bits=3, accuracy=0.979, keeps_accuracy=True, event_count=34_000.0, ledger=ledger, ratio=_TWIN_RATIO)


def _spiking_row(scenario: Scenario, base: Ledger) -> Row:
    machine = fake_machine("neuromorphic", "fake-spikes")
    return make_row(
        machine,
        spiking_workload(),
        scenario,
        reference=base,
        form="spiking",
        setting={"timesteps": 4},
        accuracy=0.976,
        accuracy_drop=0.005,
        keeps_accuracy=None,
        verdict="cannot tell: 899 samples bound the loss at 1.3 points; about 2,400 samples would tell",
        counts={"synaptic_events": 61_000.0, "neuron_updates": 8_232.0},
        twin=_twin(price(spiking_workload(1), machine, scenario)),
    )


def _crossbar_row(scenario: Scenario, base: Ledger) -> Row:
    machine = fake_machine("crossbar", "fake-array")
    return make_row(
        machine,
        crossbar_workload(),
        scenario,
        reference=base,
        form="crossbar",
        setting={"adc_bits": 8, "slices": 1},
        accuracy=0.934,
        accuracy_drop=0.047,
        keeps_accuracy=False,
        verdict="loses accuracy: 4.7 points, more than the 1.0 allowed",
        counts={"array_reads": 258.0, "conversions": 2_068.0},
        notes=("mean of 5 noise draws",),
    )


def _brain_row(scenario: Scenario, base: Ledger) -> Row:
    brain = fake_machine("brain", "human-brain", title="Human brain")
    no_accuracy: Mapping[str, Any] = dict.fromkeys(
        ("accuracy", "accuracy_interval", "accuracy_drop", "drop_bound", "keeps_accuracy")
    )
    return make_row(
        brain,
        BrainWorkload(time_s=base.latency_s.mid),
        scenario,
        reference=base,
        role=Role.YARDSTICK,
        form="",
        verdict="a yardstick, never ranked",
        counts={},
        **no_accuracy,
    )


def _baselines(cpu: Machine, scenario: Scenario, base: Ledger) -> tuple[Baseline, ...]:
    workload = ProcessorWorkload(
        layers=("logistic regression",),
        mac_count=np.array([640.0]),
        op_count=np.array([30.0]),
        weight_bytes=np.array([2600.0]),
        input_bytes=np.array([256.0]),
        output_bytes=np.array([40.0]),
        kernel_count=np.ones(1),
    )
    ledger = price(workload, cpu, scenario)
    ratio = ledger.ratio(base).interval
    return (
        Baseline(
            name="majority class", accuracy=0.101, accuracy_drop=0.88, good_enough=False, ledger=ledger, ratio=ratio
        ),
        Baseline(
            name="logistic regression",
            accuracy=0.962,
            accuracy_drop=0.019,
            good_enough=None,
            ledger=ledger,
            ratio=ratio,
        ),
    )


def _comparison(
    rows: list[Row], scenario: Scenario, baselines: tuple[Baseline, ...], *, model_name: str = "digits.onnx"
) -> Comparison:
    return Comparison(
        model=ModelSummary(
            name=model_name,
            sha256="0" * 64,
            mac_count=int(MACS.sum()),
            parameter_count=int(WEIGHTS.sum()),
            weight_bytes=int(WEIGHTS.sum()) * 4,
            layer_count=3,
        ),
        data=DataSummary(
            name="digits.npz",
            tuning_count=898,
            reported_count=899,
            class_count=10,
            metric="accuracy",
            split="a seeded half (898 samples) chose the settings; the other half (899) is reported",
        ),
        scenario=scenario,
        max_drop=0.01,
        rows=tuple(rows),
        refused=(
            Refusal(
                machine="loihi2",
                title="Intel Loihi 2",
                family="neuromorphic",
                reason="no energy per event is published for the chip",
            ),
        ),
        baselines=baselines,
        notes=("training is not counted", "reading and preparing the data is not counted"),
        run={"command": ["twentywatts", "compare", "digits.onnx", "--data", "digits.npz"], "twentywatts": "0.1.0"},
    )


def golden_comparison() -> Comparison:
    """Return a comparison of fixed numbers: its document changes only when the format does."""
    scenario = Scenario(rate_per_s=10.0, duty_frac=0.5, battery_j=1080.0, draws=2, seed=7, axes={"tokens": 8})
    reference = _fixed_ledger("this-cpu", scale=1.0)
    spikes = _fixed_ledger("fake-spikes", scale=0.05)
    rows = [
        _fixed_row(reference, reference, role=Role.REFERENCE, form="float"),
        _fixed_row(
            spikes, reference, family="neuromorphic", form="spiking", setting={"timesteps": 4}, twin=_twin(spikes)
        ),
        _fixed_row(
            _fixed_ledger("human-brain", scale=100.0), reference, role=Role.YARDSTICK, family="brain", accuracy=None
        ),
    ]
    ratio = spikes.ratio(reference).interval
    baseline = Baseline(
        name="logistic regression", accuracy=0.962, accuracy_drop=0.019, good_enough=None, ledger=spikes, ratio=ratio
    )
    return _comparison(rows, scenario, (baseline,))


def _fixed_ledger(machine: str, *, scale: float) -> Ledger:
    def entry(part: str, cause: Cause, energy_j: float, **changes: Any) -> Entry:
        values = {"scope": Boundary.CHIP, "evidence": Evidence.MODELLED, "sources": ("davies2018",), **changes}
        spread = Spread(np.array([1.0, 0.5, 2.0]) * energy_j * scale)
        return Entry(part=part, cause=cause, energy_j=spread, **values)

    return Ledger(
        machine=machine,
        per="inference",
        boundary=Boundary.DEVICE,
        entries=(
            entry("conv1", Cause.COMPUTE, 1e-5 / 3),
            entry("conv1", Cause.STATIC, 2e-5),
            entry("fc", Cause.MEMORY, 4e-6),
            entry("idle", Cause.STATIC, 1e-4, note="powered and waiting between inferences"),
            entry("board", Cause.UNSPLIT, 1e-5, evidence=Evidence.GUESSED, sources=("twentywatts",)),
        ),
        latency_s=Spread(np.array([1e-4, 5e-5, 2e-4])),
        rate_per_s=10.0,
        bound="launch",
        not_covered=("outside the boundary: host processor, power supply, fans",),
    )


def _fixed_standby(ledger: Ledger) -> Standby:
    return Standby(
        active_j=ledger.energy_j.values / 2, waiting_w=ledger.energy_j.values * 3, busy_s=ledger.latency_s.values
    )


def _fixed_row(ledger: Ledger, reference: Ledger, **changes: Any) -> Row:
    values: dict[str, Any] = {
        "role": Role.CANDIDATE,
        "machine": ledger.machine,
        "title": f"Fake {ledger.machine}",
        "family": "processor",
        "form": "",
        "setting": {},
        "accuracy": 0.98,
        "accuracy_interval": None,
        "accuracy_drop": None,
        "drop_bound": None,
        "keeps_accuracy": None,
        "verdict": "",
        "counts": {},
        "ratio": ledger.ratio(reference).interval,
        "standby": None if changes.get("role") is Role.YARDSTICK else _fixed_standby(ledger),
    }
    return Row(ledger=ledger, **{**values, **changes})
