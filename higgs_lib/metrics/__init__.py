"""ROC curves, intervals, cuts, figure of merit and significance; needs only numpy and scipy."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "calibration": [
            *("CalibrationError", "Reliability", "brier_score", "calibration_error", "reliability"),
        ],
        "histograms": ["Histogram", "histogram", "peak"],
        "hypotheses": ["AucTest", "auc_test", "effect_size", "holm"],
        "intervals": [
            *("Interval", "auc_covariance", "auc_difference", "auc_interval", "jeffreys_interval", "mean_interval"),
        ],
        "ranking": ["Ranking"],
        "roc_curve": [
            *("CUTS", "MIN_BACKGROUND_PASSED", "Efficiencies", "Roc", "RocBand", "accuracy", "auc"),
            *("background_rejection", "best_figure_of_merit", "best_working_point", "efficiencies"),
            *("figure_of_merit", "roc", "roc_band"),
        ],
        "significance": [
            *("Experiment", "asimov", "asimov_with_uncertainty", "best_cut", "equivalent_luminosity"),
            *("signal_over_root_background", "signal_over_root_total", "signal_over_root_total_with_uncertainty"),
            "significance_interval",
        ],
    },
)
