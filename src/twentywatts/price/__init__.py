"""Pricing: (Workload, Machine) → Ledger. One pricer per workload type, found by dispatch."""

from twentywatts.price.accounting import price
from twentywatts.price.costs import Costs
from twentywatts.price.fitted import Fitted, load_fitted

__all__ = ["Costs", "Fitted", "load_fitted", "price"]
