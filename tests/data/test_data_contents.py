"""Whether a file is the data set that it is taken for is told by what it holds."""

import numpy as np
import pyarrow as pa
import pytest

from higgs_lib import data, simulation
from higgs_lib.data import DataError
from higgs_lib.data.datasets import OPENML
from higgs_lib.data.parquet import EventWriter


@pytest.fixture(scope="module")
def table():
    """8,000 built-in events."""
    return simulation.generate(8000, seed=6)


@pytest.fixture(scope="module")
def dataset(table):
    """A data set that has as many."""
    return OPENML._replace(n_rows=8000, n_signal=int(np.sum(table["label"])))


def written(path, table: pa.Table):
    with EventWriter(path) as writer:
        writer.write(np.stack([column.to_numpy() for column in table.columns], 1))
        writer.close("file", {"source": "mine"})
    return path


def changed(table: pa.Table, name: str, change) -> pa.Table:
    values = change(table[name].to_numpy().copy()).astype(np.float32)
    return table.set_column(data.COLUMNS.index(name), name, pa.array(values))


def test_events_like_uci_s_are_accepted(tmp_path, table, dataset):
    data.check_contents(written(tmp_path / "a.parquet", table), dataset)
    rounded = changed(table, "jet_3_b_tag", lambda values: np.round(values, 4))
    data.check_contents(written(tmp_path / "b.parquet", rounded), dataset)


def test_uci_s_own_events_are_within_the_ranges(uci_events):
    n = data.origin(uci_events).n_events
    data.check_contents(uci_events, OPENML._replace(n_rows=n, n_signal=0))


def one(row, value):
    def change(values):
        values[row] = value
        return values

    return change


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("jet_2_pt", one(5, 0.0), "column jet_2_pt: 0 is not positive"),
        ("m_bb", lambda values: 126 * values, r"column m_bb: the mean is 12\d\.?\d*, not between 0.9 and 1.1"),
        ("lepton_phi", lambda values: 1.8022 * values, "column lepton_phi: the largest absolute value is 3.14"),
        ("jet_1_eta", lambda values: 0.5 * values, "column jet_1_eta: the standard deviation is 0.4"),
        ("jet_1_eta", lambda values: np.abs(values), "column jet_1_eta: the mean is 0.7"),
        ("jet_4_b_tag", one(7, 1.5), "column jet_4_b_tag: 1.5 is none of the levels 0, 1.551, 3.102"),
        ("label", one(slice(0, 2000), 1.0), r"[\d,]+ signal events, but OpenML's data set 23512"),
    ],
)
def test_other_ranges_are_refused_with_the_column(tmp_path, table, dataset, name, change, message):
    path = written(tmp_path / "events.parquet", changed(table, name, change))
    with pytest.raises(DataError, match=message):
        data.check_contents(path, dataset)


def test_another_number_of_rows_is_refused_by_the_name_of_the_file(tmp_path, table, dataset):
    path = written(tmp_path / "events.parquet", table.slice(0, 7999))
    with pytest.raises(DataError, match=r"^higgs\.arff: 7,999 events, but .* has 8,000 without missing values"):
        data.check_contents(path, dataset, name="higgs.arff")
