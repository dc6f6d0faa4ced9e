"""Stored trees: those that were written are read, and nothing else."""

import pickle
import zipfile

import numpy as np
import pytest
import skops.io
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import FunctionTransformer

from higgs_lib.data import Sample
from higgs_lib.models import ModelFileError
from higgs_lib.study import trees


@pytest.fixture(scope="module")
def trained():
    rng = np.random.default_rng(1)
    features = rng.normal(size=(200, 3)).astype(np.float32)
    return trees.fit(Sample(features, (features[:, 0] > 0).astype(np.float32)), seed=1, max_iter=3), features


def test_trees_are_read_as_they_were_written(trained, tmp_path):
    trees.save(trained[0], tmp_path / "a.skops")
    read = trees.load(tmp_path / "a.skops")
    np.testing.assert_array_equal(trees.predict(read, trained[1]), trees.predict(trained[0], trained[1]))


def write_logistic(path):
    skops.io.dump(LogisticRegression(), path)


def write_function(path):
    skops.io.dump(FunctionTransformer(pickle.loads), path)


def write_pickle(path):
    path.write_bytes(pickle.dumps({"a": 1}))


def write_cut(path):
    write_logistic(path)
    path.write_bytes(path.read_bytes()[:-30])


def write_path(path):
    write_logistic(path)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("../../x", "1")


def write_nothing(path):
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (write_logistic, "holds a LogisticRegression, and not boosted trees"),
        (write_function, "cannot be used as a model"),
        (write_pickle, "not a model that was saved as .skops, or cut short"),
        (write_cut, "not a model that was saved as .skops, or cut short"),
        (write_path, "holds files for other folders"),
        (write_nothing, "not a model that was saved as .skops, or cut short"),
    ],
)
def test_another_file_is_refused_in_one_line(tmp_path, write, message):
    write(tmp_path / "a.skops")
    with pytest.raises(ModelFileError, match=message) as error:
        trees.load(tmp_path / "a.skops")
    assert str(error.value).startswith(f"{tmp_path}/a.skops: ")
    assert "\n" not in str(error.value)


def test_missing_trees_are_named(tmp_path):
    with pytest.raises(ModelFileError, match=r"a.skops: no such model"):
        trees.load(tmp_path / "a.skops")
