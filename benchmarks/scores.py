"""Measures ROC curve and AUC of 11 million scores against scikit-learn, and checks that they agree.

The paired test of DeLong et al. for two classifiers is timed as well, on a million scores each.

make bench            # this and others, with their competitors installed
"""

import harness
import numpy as np
from harness import Contender

N_EVENTS = 11_000_000
N_TESTED = 1_000_000


def scores(n_events: int = N_EVENTS) -> tuple[np.ndarray, np.ndarray]:
    """Returns labels and float32 scores in (0, 1), with the AUC of a good network."""
    rng = np.random.default_rng(1)
    labels = (rng.random(n_events, np.float32) < 0.53).astype(np.float32)
    separated = rng.standard_normal(n_events, np.float32) + 1.6 * labels
    return labels, 1 / (1 + np.exp(-separated))


def ours():
    """Makes ROC curve and AUC by separate functions."""
    from higgs_lib import metrics

    sample = scores()

    def measure():
        curve, auc = metrics.roc(*sample), metrics.auc(*sample)
        return auc, len(curve.cut), *_checks(curve.signal_efficiency, 1 - curve.background_rejection)

    return measure


def ours_ranked():
    """Makes ROC curve and AUC from one ranking."""
    from higgs_lib.metrics import Ranking

    sample = scores()

    def measure():
        ranking = Ranking.from_scores(*sample)
        corners = ranking.drop_collinear()
        signal, background = corners.signal / corners.signal[-1], corners.background / corners.background[-1]
        return ranking.auc(), len(signal), *_checks(signal, background)

    return measure


def scikit_learn(shared: bool):
    """Makes ROC curve and AUC by `roc_auc_score`, or by the area under the finished curve (`shared`)."""
    from sklearn import metrics

    sample = scores()

    def measure():
        background, signal, _ = metrics.roc_curve(*sample)
        auc = metrics.auc(background, signal) if shared else metrics.roc_auc_score(*sample)
        return float(auc), len(signal), *_checks(signal, background)

    return measure


def paired_test():
    """Makes DeLong's test of two classifiers on the same events."""
    from higgs_lib import metrics

    labels, sample = scores(N_TESTED)
    others = sample + np.random.default_rng(2).normal(0, 0.05, N_TESTED).astype(np.float32)
    return lambda: metrics.auc_test(labels, sample, others).p_value


def _checks(signal_efficiency: np.ndarray, background_efficiency: np.ndarray) -> tuple[float, float]:
    """Returns two sums that agree for two curves only if their points are the same."""
    places = np.arange(len(signal_efficiency)) / len(signal_efficiency)
    return float(signal_efficiency @ places), float(background_efficiency @ places)


CONTENDERS = {
    "higgs_lib, roc and auc": (ours, {}),
    "higgs_lib, one ranking": (ours_ranked, {}),
    "scikit-learn, roc_curve and roc_auc_score": (scikit_learn, {"shared": False}),
    "scikit-learn, roc_curve and its area": (scikit_learn, {"shared": True}),
}
PAIRS = {
    "separate calls": ("higgs_lib, roc and auc", "scikit-learn, roc_curve and roc_auc_score"),
    "sorted once": ("higgs_lib, one ranking", "scikit-learn, roc_curve and its area"),
}


def main() -> None:
    """Measures and stores."""
    options = harness.arguments(__doc__, "scores.json").parse_args()
    results = harness.run(
        [Contender(name, make, arguments) for name, (make, arguments) in CONTENDERS.items()], options.repeats
    )
    print(harness.table(f"ROC and AUC of {N_EVENTS:,} scores", results, N_EVENTS, "scores"))
    values = np.array([result["result"] for result in results.values()])
    tests = harness.run([Contender("paired test", paired_test, {})], options.repeats)
    seconds = harness.spread(np.array(tests["paired test"]["seconds"]))
    print(f"  DeLong's test of two classifiers, {N_TESTED:,} events: {seconds['median']:.2f} s")
    difference = float(np.abs(values[:, 0] - values[0, 0]).max())
    same = bool(np.ptp(values[:, 1]) == 0 and np.allclose(values[:, 2:], values[0, 2:], rtol=1e-12))
    ratios = {name: harness.ratio(results, *pair) for name, pair in PAIRS.items()}
    for name, ratio in ratios.items():
        print(harness.describe_ratio(*PAIRS[name], ratio))
    print(f"  AUC differs by {difference:.1e} at most; same points of the curve: {same}")
    rates = {name: harness.rate(N_EVENTS, result["seconds"]) for name, result in results.items()}
    agreement = {"auc_difference": difference, "same_points": same}
    tested = {"paired_test": {"n_scores": N_TESTED, "seconds": seconds}}
    about = {"n_scores": N_EVENTS, "repeats": options.repeats}
    harness.save(options.result, about | {"rates": rates, "ratios": ratios} | agreement | tested)


if __name__ == "__main__":
    main()
