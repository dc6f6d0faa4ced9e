from .calibration import (
    CalibrationError as CalibrationError,
    Reliability as Reliability,
    brier_score as brier_score,
    calibration_error as calibration_error,
    reliability as reliability,
)
from .histograms import Histogram as Histogram, histogram as histogram, peak as peak
from .hypotheses import (
    AccuracyTest as AccuracyTest,
    AucTest as AucTest,
    accuracy_test as accuracy_test,
    auc_test as auc_test,
    effect_size as effect_size,
    holm as holm,
)
from .intervals import (
    Interval as Interval,
    auc_covariance as auc_covariance,
    auc_difference as auc_difference,
    auc_interval as auc_interval,
    jeffreys_interval as jeffreys_interval,
    mean_interval as mean_interval,
)
from .ranking import Ranking as Ranking
from .roc_curve import (
    CUTS as CUTS,
    MIN_BACKGROUND_PASSED as MIN_BACKGROUND_PASSED,
    Efficiencies as Efficiencies,
    Roc as Roc,
    RocBand as RocBand,
    accuracy as accuracy,
    accuracy_interval as accuracy_interval,
    auc as auc,
    background_rejection as background_rejection,
    best_figure_of_merit as best_figure_of_merit,
    best_working_point as best_working_point,
    efficiencies as efficiencies,
    figure_of_merit as figure_of_merit,
    roc as roc,
    roc_band as roc_band,
)
from .significance import (
    Experiment as Experiment,
    asimov as asimov,
    asimov_with_uncertainty as asimov_with_uncertainty,
    best_cut as best_cut,
    equivalent_luminosity as equivalent_luminosity,
    signal_over_root_background as signal_over_root_background,
    signal_over_root_total as signal_over_root_total,
    signal_over_root_total_with_uncertainty as signal_over_root_total_with_uncertainty,
    significance_interval as significance_interval,
)
