from . import (
    calibration as calibration,
    features as features,
    kinematics as kinematics,
    samples as samples,
    text as text,
)
from .download import DataError as DataError, fetch as fetch
from .features import (
    COLUMNS as COLUMNS,
    COMPLETE as COMPLETE,
    FEATURE_SETS as FEATURE_SETS,
    HIGH as HIGH,
    LABEL as LABEL,
    LOW as LOW,
    PROCESSES as PROCESSES,
    SCHEMA as SCHEMA,
    SIGNAL_MASSES as SIGNAL_MASSES,
    axis_label as axis_label,
    feature_set as feature_set,
    symbol as symbol,
    unit as unit,
)
from .ingestion import ingest as ingest
from .parquet import ROW_GROUP as ROW_GROUP, Origin as Origin, origin as origin
from .samples import (
    EventStream as EventStream,
    Sample as Sample,
    check_classes as check_classes,
    load as load,
    load_table as load_table,
    overlaps as overlaps,
)
from .splits import Sizes as Sizes, Splits as Splits, fingerprint as fingerprint, split as split
