from . import (
    asynchronous as asynchronous,
    comparison as comparison,
    crossing as crossing,
    devices as devices,
    diagnostics as diagnostics,
    distributions as distributions,
    headline as headline,
    learning_curve as learning_curve,
    likelihood as likelihood,
    measured as measured,
    parametrised as parametrised,
    published as published,
    readout as readout,
    reference as reference,
    regions as regions,
    score_files as score_files,
    score_reader as score_reader,
    same_split as same_split,
    sculpting as sculpting,
    staleness as staleness,
    stored_shifts as stored_shifts,
    systematics as systematics,
    tables as tables,
    timed as timed,
    trainings as trainings,
    trees as trees,
    verification as verification,
    wording as wording,
    workers as workers,
)
from .classifiers import BALDI as BALDI, Study as Study
from .events import prepare as prepare
from .page import event_label as event_label, header as header
from .run import Run as Run, Scores as Scores, by_epoch as by_epoch
from .settings import (
    NetworkSettings as NetworkSettings,
    network_settings as network_settings,
    tree_settings as tree_settings,
)
from .timed import ScalingStudy as ScalingStudy
from .trainings import Training as Training, train as train
from .boosting import TreeSettings as TreeSettings
