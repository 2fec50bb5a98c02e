"""From costs to a ledger: idle time and units by hand, evidence, sources, model error."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from twentywatts import plugins
from twentywatts.counting.decoder import decoder_workload
from twentywatts.counting.diffusion import DiffusionUse, diffusion_workload
from twentywatts.counting.precision import precision_of
from twentywatts.counting.use import DecoderUse
from twentywatts.errors import RefusedError, TwentyWattsError
from twentywatts.figures import Evidence, parse_figure
from twentywatts.ledger import Cause, Entry, Ledger
from twentywatts.machines import Machine, load
from twentywatts.price import accounting, load_fitted, price
from twentywatts.price.costs import Costs, Portion
from twentywatts.readers.architectures import load_architecture
from twentywatts.readers.diffusions import diffusion_names, load_diffusion
from twentywatts.scenario import Boundary, Scenario
from twentywatts.workload import BrainWorkload, ProcessorWorkload
from twentywatts.workload_decoder import DecoderWorkload
from twentywatts.workload_diffusion import DiffusionWorkload

MID = Scenario(draws=0)


def work(*, batch: int = 1, macs: float = 1e9, unknown: tuple[str, ...] = ()) -> ProcessorWorkload:
    one = np.ones(2)
    return ProcessorWorkload(
        layers=("conv", "fc"),
        mac_count=one * macs * batch,
        op_count=one * 1e3 * batch,
        weight_bytes=one * 1e6,
        input_bytes=one * 1e4 * batch,
        output_bytes=one * 1e4 * batch,
        kernel_count=one,
        batch=batch,
        unknown=unknown,
    )


def chat() -> DecoderWorkload:
    architecture = load_architecture("gpt2")
    use = DecoderUse(batch=1.0, prompt_tokens=10, output_tokens=5)
    return decoder_workload(architecture, use, precision=precision_of(architecture))


def image() -> DiffusionWorkload:
    return diffusion_workload(load_diffusion(diffusion_names()[0]), DiffusionUse(batch=1, steps=2))


def idle(ledger: Ledger) -> list[Entry]:
    return [entry for entry in ledger.entries if entry.part == "idle"]


def test_idle_energy_is_idle_power_times_waiting_time() -> None:
    machine = load("h100-sxm")
    busy = price(work(), machine, MID)
    ledger = price(work(), machine, replace(MID, rate_per_s=10.0))
    waiting_s = 1 / 10 - busy.latency_s.mid
    (entry,) = idle(ledger)
    assert entry.energy_j.mid == pytest.approx(machine.figures["idle_power_w"].value * waiting_s)
    assert ledger.energy_j.mid == pytest.approx(busy.energy_j.mid + entry.energy_j.mid)
    assert entry.cause is Cause.STATIC
    assert ledger.rate_per_s == 10.0


def test_a_batch_waits_for_its_last_sample_and_shares_the_wait() -> None:
    machine = load("h100-sxm")
    ledger = price(work(batch=8), machine, replace(MID, rate_per_s=10.0, batch=8))
    waiting_s = 8 / 10 - ledger.latency_s.mid
    assert idle(ledger)[0].energy_j.mid == pytest.approx(machine.figures["idle_power_w"].value * waiting_s / 8)


def test_without_a_rate_nobody_waits() -> None:
    assert not idle(price(work(), load("h100-sxm"), MID))


def test_a_unit_that_is_too_slow_gets_company_and_all_wait_together() -> None:
    machine = load("raspberry-pi-4")
    latency_s = price(work(), machine, MID).latency_s.mid
    rate = 2.5 / latency_s  # two and a half units would do: three are kept
    ledger = price(work(), machine, replace(MID, rate_per_s=rate))
    assert any("3 units share the load" in note for note in ledger.notes)
    waiting_s = 3 / rate - latency_s
    assert idle(ledger)[0].energy_j.mid == pytest.approx(machine.figures["idle_power_w"].value * waiting_s)
    assert ledger.latency_s.mid == latency_s


def test_a_unit_that_is_exactly_busy_neither_waits_nor_needs_another() -> None:
    machine = load("raspberry-pi-4")
    latency_s = price(work(), machine, MID).latency_s.mid
    ledger = price(work(), machine, replace(MID, rate_per_s=1 / latency_s))
    assert sum(entry.energy_j.mid for entry in idle(ledger)) == pytest.approx(0, abs=1e-12)
    assert not any("units" in note for note in ledger.notes)


def test_waiting_is_never_negative_in_any_draw() -> None:
    machine = load("raspberry-pi-4")
    latency_s = price(work(), machine, MID).latency_s.mid
    ledger = price(work(), machine, Scenario(rate_per_s=0.9 / latency_s))
    assert np.all(idle(ledger)[0].energy_j.values >= 0)


def firm(name: str) -> Machine:
    """Return a machine without the one figure of it that is guessed."""
    machine = load(name)
    return replace(machine, figures={k: f for k, f in machine.figures.items() if k != "call_time_s"})


def as_guess(machine: Machine, key: str) -> Machine:
    return replace(machine, figures={**machine.figures, key: replace(machine.figures[key], grade="guess")})


def test_a_guess_that_is_used_takes_the_evidence_down() -> None:
    machine = firm("h100-sxm")
    one_level = replace(machine, figures={k: f for k, f in machine.figures.items() if k != "cache_energy_j_per_byte"})
    cited = price(work(), one_level, MID)
    guessed = price(work(), as_guess(one_level, "memory_energy_j_per_byte"), MID)
    assert (cited.evidence, guessed.evidence) == (Evidence.MODELLED, Evidence.GUESSED)
    memory = guessed.by_cause()[Cause.MEMORY].mid
    assert cited.guessed_frac == 0
    assert guessed.guessed_frac == pytest.approx(memory / guessed.energy_j.mid)


def test_waiting_on_a_guessed_idle_power_is_a_guess_with_its_source() -> None:
    for name in ("jetson-orin", "h100-sxm"):
        machine = load(name)
        figure = machine.figures["idle_power_w"]
        for workload in (chat(), image()):
            (entry,) = idle(price(workload, machine, replace(MID, rate_per_s=1e-4)))  # type: ignore[arg-type]
            assert (entry.evidence, entry.sources) == (figure.evidence, (figure.source,)), (name, workload)


def test_a_guess_does_not_taint_what_was_published_of_the_same_cause() -> None:
    machine = firm("h100-sxm")
    ledger = price(work(), as_guess(machine, "memory_energy_j_per_byte"), MID)
    dear = as_guess(machine, "cache_energy_j_per_byte")
    other, both = price(work(), dear, MID), price(work(), as_guess(dear, "memory_energy_j_per_byte"), MID)
    whole = ledger.by_cause()[Cause.MEMORY].mid / ledger.energy_j.mid
    assert 0 < ledger.guessed_frac < 0.5 * whole < other.guessed_frac
    assert ledger.guessed_frac + other.guessed_frac == pytest.approx(whole) == both.guessed_frac


def test_a_guessed_call_time_taints_the_time_of_the_call_alone() -> None:
    machine = load("h100-sxm")
    assert machine.figures["call_time_s"].grade == "guess"
    ledger = price(work(macs=1e12), machine, MID)
    call = next(entry for entry in ledger.entries if entry.part == "call")
    assert 0 < ledger.guessed_frac < 0.1
    assert ledger.guessed_frac == pytest.approx(call.energy_j.mid / ledger.energy_j.mid)
    assert ledger.by_cause()[Cause.STATIC].mid > 3 * call.energy_j.mid


def test_writing_cells_is_guessed_and_reading_them_is_not() -> None:
    costs = Costs(
        parts=("fc",),
        energy_j={Cause.MEMORY: np.array([[3.0]])},
        used={},
        latency_s=np.ones(1),
        idle_power_w=np.zeros(1),
        portions=(
            Portion(cause=Cause.MEMORY, energy_j=np.array([[1.0]]), used=("cell_write_energy_j",)),
            Portion(cause=Cause.MEMORY, energy_j=np.array([[2.0]]), used=("cell_read_energy_j",)),
        ),
    )
    found = {entry.energy_j.mid: entry.evidence for entry in accounting._entries(costs, load("neurram"), ())}
    assert found == {1.0: Evidence.GUESSED, 2.0: Evidence.MODELLED}


def test_a_guess_that_is_not_used_does_not() -> None:
    assert price(work(), as_guess(firm("h100-sxm"), "process_nm"), MID).evidence is Evidence.MODELLED


def test_sources_of_figures_and_of_the_fit_stand_in_every_entry() -> None:
    machine = load("h100-sxm")
    ledger = price(work(), machine, MID)
    fitted = set(load_fitted("processor").sources)
    for entry in ledger.entries:
        assert set(entry.sources) >= fitted
    assert machine.figures["memory_energy_j_per_byte"].source in ledger.sources
    assert machine.figures["host_power_w"].source not in ledger.sources


def test_the_model_error_of_one_machine_widens_and_does_not_cancel_between_two() -> None:
    wide = price(work(), load("h100-sxm"), Scenario())
    other = price(work(), load("h200-sxm"), Scenario())
    same = wide.ratio(price(work(), load("h100-sxm"), Scenario())).interval
    apart = wide.ratio(other).interval
    error = load_fitted("processor").model_error
    assert (same.low, same.high) == (1.0, 1.0)
    assert apart.high / apart.mid > error.high**0.9
    assert wide.energy_j.interval.high / wide.energy_j.mid > error.high * 0.9


def test_the_mid_value_does_not_depend_on_draws_or_seed() -> None:
    machine = load("jetson-orin")
    mids = {price(work(), machine, Scenario(draws=d, seed=s)).energy_j.mid for d, s in ((0, 0), (10, 0), (10, 5))}
    assert len(mids) == 1


def test_a_layer_that_is_not_understood_is_named_not_dropped() -> None:
    ledger = price(work(unknown=("nms",)), load("h100-sxm"), MID)
    assert any("'nms'" in text for text in ledger.not_covered)


def test_a_refused_machine_says_why() -> None:
    with pytest.raises(RefusedError, match="no energy per synaptic event"):
        price(work(), load("loihi2"), MID)


def test_a_workload_without_a_pricer_is_an_error_for_a_person() -> None:
    with pytest.raises(TwentyWattsError, match="no pricer for int"):
        price(3, load("h100-sxm"), MID)  # type: ignore[arg-type]


def test_a_pricer_that_returns_something_else_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accounting, "find", lambda kind, name: lambda *_: 3.0)
    with pytest.raises(TwentyWattsError, match="pricer of BrainWorkload returned float, wanted Costs"):
        price(BrainWorkload(time_s=1.0), load("human-brain"), MID)


def test_every_workload_has_a_pricer_of_its_own() -> None:
    for name in accounting._PRICER_NAMES:
        assert plugins.find("pricers", name) is not None


def test_parts_and_causes_are_those_of_the_costs() -> None:
    ledger = price(work(), load("h100-sxm"), MID)
    assert list(ledger.by_part()) == ["conv", "fc", "call"]
    assert set(ledger.by_cause()) == {Cause.COMPUTE, Cause.MEMORY, Cause.STATIC}
    assert (ledger.machine, ledger.per, ledger.boundary) == ("h100-sxm", "inference", Boundary.DEVICE)


def test_dearer_memory_costs_exactly_its_share_more() -> None:
    machine = load("h100-sxm")
    table = {"value": 23.4, "low": 10, "high": 32, "unit": "pJ/bit", "grade": "paper", "source": "s", "where": "w"}
    dearer = parse_figure("memory_energy_j_per_byte", {**table, "condition": "twice"})
    plain = replace(machine, figures={k: f for k, f in machine.figures.items() if k != "cache_energy_j_per_byte"})
    twice = replace(plain, figures={**plain.figures, "memory_energy_j_per_byte": dearer})
    one, two = price(work(), plain, MID), price(work(), twice, MID)
    assert two.by_cause()[Cause.MEMORY].mid == pytest.approx(2 * one.by_cause()[Cause.MEMORY].mid)
    assert two.by_cause()[Cause.COMPUTE].mid == one.by_cause()[Cause.COMPUTE].mid
