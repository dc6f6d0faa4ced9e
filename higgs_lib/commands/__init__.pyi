from . import (
    classifier_files as classifier_files,
    cluster as cluster,
    convert as convert,
    evaluate as evaluate,
    events as events,
    info as info,
    parsing as parsing,
    runs as runs,
    score as score,
    train as train,
    verify as verify,
)
