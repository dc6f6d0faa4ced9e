"""Machine learning on the HIGGS data set, reproduced from end to end: see README.md and notebooks/."""

import os

import lazy_loader as lazy

__version__ = "1.0.0"

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # hides TensorFlow's start-up notes
# OpenMP's threads otherwise spin while they wait, and on a busy machine boosted trees take ten times as long. It is
# read where XGBoost is first imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
