from .event_files import (
    changed_parameters as changed_parameters,
    parameters_of as parameters_of,
    recipe as recipe,
    simulate as simulate,
)
from .generator import generate as generate
from .mass_plane import MassPlane as MassPlane
from .parameters import SimulationParameters as SimulationParameters
from .variations import VARIATIONS as VARIATIONS, Variation as Variation, simulate_together as simulate_together
