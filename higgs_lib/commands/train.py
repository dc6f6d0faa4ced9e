"""The command `train`: one classifier, by the settings of the study or with some of its own."""

import argparse
import logging
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from higgs_lib.commands.parsing import (
    FEATURE_SETS,
    add_command,
    add_device,
    add_force,
    add_json,
    fraction,
    new_file,
    not_negative,
    not_negative_number,
    positive,
    refusing,
    seed,
    show,
)
from higgs_lib.models.spec import OPTIMIZERS
from higgs_lib.study.settings import CLASSIFIERS, network_settings

log = logging.getLogger(__name__)

DEFAULT_SIZES = (100_000, 50_000, 0)  # events for testing and validation; for training all others


def train(arguments: argparse.Namespace) -> None:
    """Trains one network and stores it."""
    destination = new_file(arguments.model, ".keras", force=arguments.force)
    from higgs_lib import data

    origin = data.origin(arguments.events)
    from higgs_lib import device, models, training
    from higgs_lib.commands.classifier_files import save_model
    from higgs_lib.training.loop import check_trainable

    with refusing(ValueError):
        sizes = _sizes(arguments, origin)
        splits = sizes.split(origin.n_events)
        data.check_classes(arguments.events, splits)
        spec, config = _settings(arguments, len(splits.training))
        log.info("%s", device.use(arguments.device))
    columns = data.feature_set(arguments.features)
    events = data.EventStream.open(arguments.events, columns, splits.training).load_if_fits()
    validation = data.load(arguments.events, columns, splits.validation)
    with refusing(ValueError):
        standard = models.standardisation(events, columns if spec.inputs == "kinematics" else ())
        model = models.build(spec, standard, arguments.seed, columns)
        check_trainable(model, events, config, None)
    optimizer = models.optimizer(spec, events.n_events, config.batch_size, config.epochs)
    log.info("%s network, %s features, %s training events", arguments.classifier, arguments.features, events.n_events)
    checkpoint = destination.with_suffix(".checkpoint.npz")
    history = training.fit(
        model,
        optimizer,
        events,
        validation,
        config,
        seed=arguments.seed,
        checkpoint=checkpoint,
        name=destination.stem,
    )
    record = _recipe(arguments, spec, config, origin, splits) | _outcome(model, validation, history)
    save_model(model, destination, record | {"made_with": _made_with()})
    checkpoint.unlink(missing_ok=True)
    _show(destination, record, as_json=arguments.json)


def _sizes(arguments: argparse.Namespace, origin):
    """Returns the `Sizes` of the parts: those given, and otherwise those of the events' split, or the defaults.

    Defaults for which the file is too small are reduced, which is stated.
    """
    from higgs_lib.data import NAMED_SPLITS, Sizes, check_split_sizes

    split = NAMED_SPLITS.get(origin.recipe.get("split", {}).get("name"))
    given = Sizes(arguments.n_test, arguments.n_validation, arguments.n_training)
    defaults = split.sizes._replace(n_training=0) if split else DEFAULT_SIZES
    asked = Sizes(*(default if size is None else size for size, default in zip(given, defaults, strict=True)))
    if split:
        check_split_sizes(arguments.events, asked)
        return asked
    reduced = asked.reduced(origin.n_events)
    sizes = Sizes(*(small if size is None else size for size, small in zip(given, reduced, strict=True)))
    if changes := sizes.describe_changes(asked):
        log.warning("%s", changes)
    return sizes


def _settings(arguments: argparse.Namespace, n_training: int) -> tuple:
    """Returns the `ModelSpec` and `TrainConfig` of the study, with what the arguments change."""
    spec, config = network_settings(arguments.classifier, n_training)
    changes = {name: getattr(arguments, name) for name in ("hidden", "dropout", "optimizer", "learning_rate")}
    changes = {name: value for name, value in changes.items() if value is not None}
    if "hidden" in changes:
        changes["hidden"] = tuple(changes["hidden"])
    lengths = {name: getattr(arguments, name) for name in ("epochs", "batch_size", "patience")}
    lengths = {name: value for name, value in lengths.items() if value is not None}
    lengths.setdefault("batch_size", min(config.batch_size, n_training))
    return replace(spec, **changes), config._replace(**lengths)


def _recipe(arguments: argparse.Namespace, spec, config, origin, splits) -> dict:
    """Returns what determines a model, as JSON's types.

    Args:
        arguments: classifier, features and seed.
        spec: the `ModelSpec`.
        config: the `TrainConfig`.
        origin: of the events.
        splits: of the events.
    """
    return {
        "classifier": arguments.classifier,
        "features": arguments.features,
        "seed": arguments.seed,
        "spec": asdict(spec),
        "config": config._asdict(),
        "events": asdict(origin),
        "splits": {part: [rows.start, rows.stop] for part, rows in splits._asdict().items()},
    }


def _outcome(model, validation, history) -> dict:
    """Returns what a training reached, as JSON's types."""
    from higgs_lib import metrics, training

    with refusing(ValueError):
        auc = metrics.auc_interval(validation.labels, training.predict(model, validation.features))
    return {
        "validation_auc": auc._asdict(),
        "best_epoch": history.best_epoch,
        "epochs": len(history.seconds),
    }


def _made_with() -> dict:
    """Returns the machine, versions, commit and time of a model."""
    from higgs_lib import provenance

    time = datetime.now(UTC).isoformat("T", "seconds")
    return {"device": provenance.stamp(), "commit": provenance.commit(), "time": time}


def _show(destination: Path, record: dict, *, as_json: bool) -> None:
    """Prints what was trained."""
    from higgs_lib.metrics import Interval

    auc = Interval(**record["validation_auc"])
    text = f"validation AUC {auc} with the weights of epoch {record['best_epoch']} of {record['epochs']}: {destination}"
    show({"model": str(destination), **record}, text, as_json=as_json)


def add(commands) -> None:
    """Adds this command."""
    parser = add_command(
        commands,
        "train",
        train,
        summary="train a network of the study, or one of your own",
        details="Trains a network with the settings that the study has for this number of training events; options "
        "change some. The last events of the file are for testing, those before them for validation, the others for "
        "training. The model keeps the weights of the epoch with the lowest validation loss, takes raw features and "
        "knows what made it. A call that was interrupted resumes after its last epoch.",
        examples=(
            "train events.parquet model.keras",
            "train events.parquet deep.keras --classifier deep --features high --epochs 5 --seed 2",
            "train events.parquet own.keras --hidden 64 64 --dropout 0.1 --batch-size 256 --json",
        ),
        resumes=True,
    )
    parser.add_argument("events", metavar="EVENTS", help="a file of events, from simulate or ingest")
    parser.add_argument("model", metavar="MODEL", help="the model to write, NAME.keras")
    network = parser.add_argument_group("network")
    network.add_argument("--classifier", choices=CLASSIFIERS, default="modern", help="default: modern")
    network.add_argument("--features", choices=FEATURE_SETS, default="low", help="default: low")
    text = "units of each hidden layer, instead of the classifier's"
    network.add_argument("--hidden", type=positive, nargs="+", metavar="UNITS", help=text)
    network.add_argument("--dropout", type=fraction, metavar="FRACTION", help="of the hidden units, in training")
    length = parser.add_argument_group("training; where an option is left out, the study's value holds")
    length.add_argument("--epochs", type=positive, metavar="N", help="passes over the training events, at most")
    length.add_argument("--batch-size", type=positive, metavar="N", help="events per step")
    length.add_argument("--optimizer", choices=OPTIMIZERS, help="its other settings stay")
    length.add_argument(
        "--learning-rate", type=not_negative_number, metavar="RATE", help="0: Keras' default of the optimizer"
    )
    length.add_argument(
        "--patience", type=not_negative, metavar="N", help="epochs without a lower loss that end it; 0: never"
    )
    length.add_argument("--seed", type=seed, default=1, help="of weights, dropout and order of events (default: 1)")
    add_device(length)
    parts = parser.add_argument_group("events")
    text = "events for testing (default: 100,000; of a small file at most a fifth)"
    parts.add_argument("--n-test", type=positive, metavar="N", help=text)
    text = "events for validation (default: 50,000; of a small file at most a tenth)"
    parts.add_argument("--n-validation", type=positive, metavar="N", help=text)
    text = "events for training, the first of the file (default: all others)"
    parts.add_argument("--n-training", type=positive, metavar="N", help=text)
    add_force(parser)
    add_json(parser)
