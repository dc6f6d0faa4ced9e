import numpy as np
import pytest

from higgs_lib.metrics import Interval
from higgs_lib.study import wording


@pytest.mark.parametrize(
    ("parts", "text"),
    [([1], "1"), (["a", "b"], "a and b"), (("a", "b", "c"), "a, b and c"), ((n for n in "ab"), "a and b")],
)
def test_a_list_reads_as_within_a_sentence(parts, text):
    assert wording.listed(parts) == text


def test_a_conjunction_can_be_chosen():
    assert wording.listed([3, 4], "or") == "3 or 4"


def test_nouns_have_the_number_of_what_they_count():
    assert [wording.counted(n, "core") for n in (0, 1, 2, 2048)] == ["0 cores", "1 core", "2 cores", "2,048 cores"]


def test_a_range_whose_ends_read_the_same_is_one_number():
    assert wording.ranged([0.774, 0.771], ".2f") == "0.77"
    assert wording.ranged([7196.4, 407.2, 900.0]) == "407 to 7,196"


def test_significant_digits_are_kept_on_either_side_of_a_power_of_ten():
    assert [wording.rounded(value) for value in (43_533_655, 999.9, 1234.0, 0.4)] == [
        "43,500,000",
        "1,000",
        "1,230",
        "0",
    ]
    assert wording.rounded(279_819, 2) == "280,000"


def test_a_value_without_an_interval_has_no_brackets():
    assert wording.measured(Interval(1.753, 1.684, 1.826)) == "1.75 [1.68, 1.83]"
    assert wording.measured(Interval(1.753, np.nan, np.nan)) == "1.75"
    assert wording.measured(Interval(4.9, 0.52, np.inf), ".2g") == "4.9 [0.52, ∞]"
    assert wording.measured((0.0012, 0.001, 0.0015), ".1f", 1e3) == "1.2 [1.0, 1.5]"
