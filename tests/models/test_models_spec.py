import subprocess
import sys

import pytest

from higgs_lib.models import ModelSpec


def test_parameters_and_operations_are_those_of_the_matrix_products():
    spec = ModelSpec((5, 3))
    assert spec.layers == (5, 3, 1)
    assert spec.n_parameters(4) == (4 * 5 + 5) + (5 * 3 + 3) + (3 * 1 + 1)
    assert spec.operations(4) == 6 * (5 * 3 + 3 * 1) + 4 * (4 * 5)  # the first layer needs no gradient of its inputs


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"optimizer": "lbfgs"}, "unknown optimizer 'lbfgs'.*adam"),
        ({"schedule": "linear"}, "unknown schedule"),
        ({"initial_weights": "zero"}, "unknown initial_weights"),
        ({"hidden": ()}, "hidden"),
        ({"dropout": 1.0}, "dropout"),
        ({"weight_decay": -0.1}, "weight_decay"),
        ({"weight_decay": float("nan")}, "weight_decay"),
        ({"weight_scale": (0.1,)}, "weight_scale needs 3 values"),
        ({"momentum": 0.9}, "momentum"),
        ({"optimizer": "sgd", "momentum": 0.9, "final_momentum": 0.99}, "momentum_epochs"),
        ({"symmetric": True}, "symmetric networks exchange jets, so they need inputs='kinematics'"),
        ({"inputs": "kinematics", "augmented": True}, "augmentation and frequencies apply to inputs='columns'"),
        ({"frequencies": -1}, "frequencies"),
        ({"warm_up": 0.1}, "warm_up is a fraction of the cosine schedule"),
        ({"precision": "float16"}, "unknown precision 'float16'.*bfloat16"),
    ],
)
def test_invalid_values_are_refused_by_name(values, message):
    with pytest.raises(ValueError, match=f"ModelSpec: .*{message}"):
        ModelSpec(**{"hidden": (5, 5)} | values)


def test_specifications_need_no_keras():
    code = "import sys; from higgs_lib.models import PRESETS; sys.exit('keras' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
