from . import (
    data as data,
    device as device,
    explore as explore,
    metrics as metrics,
    models as models,
    performance as performance,
    plots as plots,
    simulation as simulation,
    spark as spark,
    study as study,
    training as training,
)

__version__: str
