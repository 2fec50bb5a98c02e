"""From one model's joules to the world: training, scaling, serving, fleets, grids, equivalents.

``import twentywatts as tw; tw.plan.training(70e9, 2e12, "a100-sxm-80").amount("energy_j")``
"""

from twentywatts.plan.compare import equivalents as _equivalents
from twentywatts.plan.demand import TokenCost
from twentywatts.plan.demand import token_cost as _token_cost
from twentywatts.plan.grid import grid_year as _grid_year
from twentywatts.plan.result import Plan
from twentywatts.plan.scale import scaling as _scaling
from twentywatts.plan.serve import serving as _serving
from twentywatts.plan.stock import fleet as _fleet
from twentywatts.plan.train import training as _training
from twentywatts.public import checked

__all__ = ["Plan", "TokenCost", "equivalents", "fleet", "grid_year", "scaling", "serving", "token_cost", "training"]

equivalents = checked("plan.equivalents", _equivalents)
fleet = checked("plan.fleet", _fleet)
grid_year = checked("plan.grid_year", _grid_year)
scaling = checked("plan.scaling", _scaling)
serving = checked("plan.serving", _serving)
token_cost = checked("plan.token_cost", _token_cost)
training = checked("plan.training", _training)
