from . import (
    asynchronous as asynchronous,
    java as java,
    local_cluster as local_cluster,
    master as master,
    synchronous as synchronous,
)
from .java import JavaError as JavaError
from .jobs import generate as generate, score as score
from .local_cluster import ClusterError as ClusterError
from .spark_session import session as session, slots as slots
