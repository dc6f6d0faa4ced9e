from . import (
    curve_fit as curve_fit,
    energy as energy,
    interconnect as interconnect,
    measure as measure,
    scaling as scaling,
    step_cost as step_cost,
    throughput as throughput,
    timing as timing,
)
