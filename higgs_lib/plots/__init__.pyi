from . import (
    asynchronous as asynchronous,
    captions as captions,
    learning as learning,
    mass_plane as mass_plane,
    scaling as scaling,
    sculpting as sculpting,
    significance as significance,
    systematics as systematics,
    throughput as throughput,
)
from .captions import caption as caption
from .classification import (
    against_cut as against_cut,
    by_epoch as by_epoch,
    expected as expected,
    intervals as intervals,
    learning_curve as learning_curve,
    prediction_band as prediction_band,
    r_squared as r_squared,
    reliability as reliability,
    roc as roc,
    scores as scores,
)
from .comparison import compared as compared
from .diagrams import processes as processes
from .features import (
    classes as classes,
    correlations as correlations,
    density_label as density_label,
    low_level as low_level,
    masses as masses,
    ratio as ratio,
    single_features as single_features,
    two_samples as two_samples,
)
from .style import (
    BACKGROUND as BACKGROUND,
    CLASSIFIER_COLOURS as CLASSIFIER_COLOURS,
    CYCLE as CYCLE,
    FEATURE_COLOURS as FEATURE_COLOURS,
    PUBLISHED as PUBLISHED,
    SIGNAL as SIGNAL,
    WIDTH as WIDTH,
    legend_below as legend_below,
    outer_labels as outer_labels,
    shades as shades,
    shared_legend as shared_legend,
    use_style as use_style,
)
