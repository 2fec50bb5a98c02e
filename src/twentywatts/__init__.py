"""twentywatts: the energy laboratory for AI models."""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # as typing's, whose import would cost more than all the rest

__version__ = "0.1.0"

if TYPE_CHECKING:
    from twentywatts import plan
    from twentywatts.claims.audit import audit
    from twentywatts.claims.review import review_table as review
    from twentywatts.comparison import Comparison, compare
    from twentywatts.counting import count
    from twentywatts.errors import TwentyWattsError
    from twentywatts.estimation import Estimation, estimate
    from twentywatts.forms.spiking.neurobench import neurobench
    from twentywatts.ledger import Ledger
    from twentywatts.machines import Machine
    from twentywatts.machines import load as machine
    from twentywatts.meter.api import Meter, mark, measure, measured
    from twentywatts.meter.benchmark import benchmark
    from twentywatts.readers.nir import read_nir
    from twentywatts.readers.nir_export import write_nir
    from twentywatts.scenario import Scenario
    from twentywatts.slimming.job import slim
    from twentywatts.slimming.result import Slimmed

_PUBLIC = {
    "Comparison": "twentywatts.comparison:Comparison",
    "Estimation": "twentywatts.estimation:Estimation",
    "Ledger": "twentywatts.ledger:Ledger",
    "Machine": "twentywatts.machines:Machine",
    "Meter": "twentywatts.meter.api:Meter",
    "Scenario": "twentywatts.scenario:Scenario",
    "Slimmed": "twentywatts.slimming.result:Slimmed",
    "TwentyWattsError": "twentywatts.errors:TwentyWattsError",
    "audit": "twentywatts.claims.audit:audit",
    "benchmark": "twentywatts.meter.benchmark:benchmark",
    "compare": "twentywatts.comparison:compare",
    "count": "twentywatts.counting:count",
    "estimate": "twentywatts.estimation:estimate",
    "machine": "twentywatts.machines:load",
    "mark": "twentywatts.meter.api:mark",
    "measure": "twentywatts.meter.api:measure",
    "measured": "twentywatts.meter.api:measured",
    "review": "twentywatts.claims.review:review_table",
    "neurobench": "twentywatts.forms.spiking.neurobench:neurobench",
    "read_nir": "twentywatts.readers.nir:read_nir",
    "slim": "twentywatts.slimming.job:slim",
    "write_nir": "twentywatts.readers.nir_export:write_nir",
}

_ROOMS = ("plan",)  # offered whole: tw.plan.training(...)

__all__ = [
    "Comparison",
    "Estimation",
    "Ledger",
    "Machine",
    "Meter",
    "Scenario",
    "Slimmed",
    "TwentyWattsError",
    "__version__",
    "audit",
    "benchmark",
    "compare",
    "count",
    "estimate",
    "machine",
    "mark",
    "measure",
    "measured",
    "neurobench",
    "plan",
    "read_nir",
    "review",
    "slim",
    "write_nir",
]


def __getattr__(name: str) -> object:
    """Load a public name when it is first used."""
    if name in _ROOMS:
        return import_module(f"twentywatts.{name}")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'twentywatts' has no attribute '{name}'")
    module, attribute = _PUBLIC[name].split(":")
    value = getattr(import_module(module), attribute)
    if hasattr(value, "__code__"):  # a function, no class
        from twentywatts.public import checked

        value = checked(name, value)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted(__all__)
