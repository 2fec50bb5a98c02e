"""From one model's joules to the world: training, scaling, serving, fleets, grids, equivalents.

``import twentywatts as tw; tw.plan.training(70e9, 2e12, "a100-sxm-80").amount("energy_j")``
"""

from twentywatts.plan.compare import equivalents
from twentywatts.plan.demand import TokenCost, token_cost
from twentywatts.plan.grid import grid_year
from twentywatts.plan.result import Plan
from twentywatts.plan.scale import scaling
from twentywatts.plan.serve import serving
from twentywatts.plan.stock import fleet
from twentywatts.plan.train import training

__all__ = ["Plan", "TokenCost", "equivalents", "fleet", "grid_year", "scaling", "serving", "token_cost", "training"]
