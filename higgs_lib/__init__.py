"""Machine learning on the HIGGS data, reproduced from end to end: see README.md and notebooks/."""

import os

__version__ = "0.3.0"

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's notes on this machine's libraries are no news
