"""A Spark session, and what its executors do: generate events, score them, and train together (README.md)."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=["asynchronous", "java", "local_cluster", "master", "synchronous"],
    submod_attrs={
        "java": ["JavaError"],
        "jobs": ["generate", "score"],
        "local_cluster": ["ClusterError"],
        "spark_session": ["session", "slots"],
    },
)
