from . import update_rules as update_rules
from .checkpoint import CheckpointError as CheckpointError
from .checks import TrainingError as TrainingError
from .config import TrainConfig as TrainConfig
from .history import History as History, Measures as Measures, Phases as Phases
from .loop import DivergenceError as DivergenceError, evaluate as evaluate, fit as fit, predict as predict
