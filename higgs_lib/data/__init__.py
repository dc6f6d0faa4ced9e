"""Events: what they are, their files, their arrays and their split."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submodules=["calibration", "features", "kinematics", "samples", "text"],
    submod_attrs={
        "download": ["DataError", "fetch"],
        "features": [
            *("COLUMNS", "COMPLETE", "FEATURE_SETS", "HIGH", "LABEL", "LOW", "PROCESSES", "SCHEMA"),
            *("axis_label", "feature_set", "symbol", "unit"),
        ],
        "ingestion": ["ingest"],
        "parquet": ["ROW_GROUP", "Origin", "origin"],
        "samples": ["EventStream", "Sample", "check_classes", "load", "load_table", "overlaps"],
        "splits": ["Splits", "fingerprint", "split"],
    },
)
