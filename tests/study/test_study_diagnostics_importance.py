import keras
import numpy as np
import pytest
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.inspection import permutation_importance
from sklearn.metrics import roc_auc_score

from higgs_lib import data, models, training
from higgs_lib.data import LOW, Sample
from higgs_lib.models import PRESETS
from higgs_lib.models.kinematic_layer import kinematic_features
from higgs_lib.study import diagnostics, trees


@pytest.fixture
def sample():
    """Two columns that depend on the class, the second a copy of the first, and two of noise."""
    rng = np.random.default_rng(1)
    labels = (rng.random(20_000) < 0.5).astype(np.float32)
    known = labels + rng.normal(size=20_000)
    return Sample(np.column_stack([known, known, *rng.normal(size=(2, 20_000))]).astype(np.float32), labels)


def test_groups_hold_the_columns_of_their_members():
    groups = diagnostics.group_columns(["masses", "tags", "masses"])
    assert {name: columns.tolist() for name, columns in groups.items()} == {"masses": [0, 2], "tags": [1]}


class Sum(BaseEstimator, ClassifierMixin):
    """The sum of the first and third column, for scikit-learn."""

    classes_ = np.array([0, 1])

    def fit(self, *_):
        return self

    def decision_function(self, inputs):
        return inputs[:, 0] + 0.5 * inputs[:, 2]


def test_the_loss_is_scikit_learns_permutation_importance(sample):
    groups = {f"column {column}": np.array([column]) for column in range(4)}
    ours = diagnostics.permutation_loss(Sum().decision_function, *sample, groups, seed=1)
    theirs = permutation_importance(Sum().fit(), *sample, scoring="roc_auc", n_repeats=10, random_state=1)
    for loss, expected in zip(ours.values(), theirs.importances_mean, strict=True):
        assert loss.low - 0.004 < expected < loss.high + 0.004
    assert ours["column 1"] == (0, 0, 0)  # not used
    assert ours["column 0"].value > 0.15


def test_a_group_of_a_copy_is_used_but_not_needed(sample):
    training_half, test = sample.slice(0, 10_000), sample.slice(10_000)
    groups = {"one": np.array([0]), "both": np.array([0, 1]), "noise": np.array([2, 3])}
    loss = diagnostics.removal_loss(training_half, test, groups, blocks=4, iterations=20, seed=1)
    assert loss["one"].value == pytest.approx(0, abs=0.002)
    assert loss["both"].low < 0.26 < loss["both"].high  # AUC 0.76 of two normals one deviation apart: 0.5
    assert loss["both"].low > 0.1
    assert loss["noise"].value == pytest.approx(0, abs=0.01)
    with pytest.raises(ValueError, match="blocks must be 2 or more"):
        diagnostics.removal_loss(training_half, test, groups, blocks=1, iterations=20, seed=1)


def test_the_interval_of_a_loss_is_students_over_blocks(sample, monkeypatch):
    """Of losses that are known: the scores are a column's values, so that the trees play no part."""
    monkeypatch.setattr(trees, "fit_predict", lambda _, inputs, **__: [inputs[0][:, 0]])
    groups, n = {"both": np.array([0, 1]), "other": np.array([3])}, 5
    parts = [sample.slice(4000 * k, 4000 * (k + 1)) for k in range(n)]
    losses = [roc_auc_score(p.labels, p.features[:, 0]) - roc_auc_score(p.labels, p.features[:, 2]) for p in parts]
    expected = stats.ttest_1samp(losses, 0).confidence_interval(1 - 0.05 / len(groups))
    found = diagnostics.removal_loss(sample, sample, groups, blocks=n, iterations=1, seed=1)["both"]
    assert found == pytest.approx((np.mean(losses), expected.low, expected.high))


def test_behind_a_layer_the_model_is_the_same(events, tmp_path):
    sample = data.load(events, LOW, range(2000))
    model = models.build(PRESETS["kinematic"], models.standardisation(sample, LOW), seed=1)
    model.save(tmp_path / "model.keras")
    predict = diagnostics.scores_after_layer("kinematics", tmp_path / "model.keras")
    scores = predict(kinematic_features(sample.features, LOW))
    assert scores == pytest.approx(training.predict(model, sample.features), abs=1e-6)
    keras.backend.clear_session()
