from . import (
    calibration as calibration,
    datasets as datasets,
    event_records as event_records,
    features as features,
    kinematics as kinematics,
    samples as samples,
    text as text,
)
from .contents import check_contents as check_contents
from .datasets import DATASETS as DATASETS, Dataset as Dataset
from .conversion import (
    Conversion as Conversion,
    convert_to_events as convert_to_events,
    convert_to_four_vectors as convert_to_four_vectors,
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
from .named_splits import (
    NAMED_SPLITS as NAMED_SPLITS,
    NamedSplit as NamedSplit,
    check_split_sizes as check_split_sizes,
    ingest_dataset as ingest_dataset,
    ingest_split as ingest_split,
    named_split as named_split,
    part_sizes as part_sizes,
    row_order as row_order,
)
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
