from . import (
    beam_symmetry as beam_symmetry,
    jet_permutations as jet_permutations,
    kinematic_layer as kinematic_layer,
    periodic_embedding as periodic_embedding,
)
from .archive import ModelFileError as ModelFileError
from .builder import (
    Standardisation as Standardisation,
    build as build,
    load as load,
    standardisation as standardisation,
)
from .kinematic_layer import kinematic_features as kinematic_features
from .optimizers import optimizer as optimizer
from .spec import ModelSpec as ModelSpec, OPTIMIZERS as OPTIMIZERS, PRECISIONS as PRECISIONS, PRESETS as PRESETS
