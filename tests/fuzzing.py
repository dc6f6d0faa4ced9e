"""How many examples property tests take: few by default, and as many as the environment variable HIGGS_FUZZ says.

Used as a decorator, `@examples` above `@given(...)`. By default the examples are the same in every run.
"""

import os

from hypothesis import HealthCheck, settings

FUZZ = os.environ.get("HIGGS_FUZZ")

examples = settings(
    max_examples=int(FUZZ or 50),
    derandomize=not FUZZ,
    database=None,
    deadline=None,
    print_blob=bool(FUZZ),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)
