import numpy as np
import pytest


@pytest.fixture(scope="module")
def scored():
    """4000 labels and float32 scores, rounded so that there are ties."""
    rng = np.random.default_rng(1)
    labels = (rng.random(4000) < 0.53).astype(np.float32)
    scores = 1 / (1 + np.exp(-rng.normal(labels - 0.5, 1.0)))
    return labels, scores.astype(np.float32).round(3)
