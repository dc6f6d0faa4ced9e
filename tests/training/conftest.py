import pytest
from small_training import sample


@pytest.fixture(scope="module")
def samples():
    return sample(3030, 1), sample(1500, 2)  # 3030 is no multiple of the batch sizes
