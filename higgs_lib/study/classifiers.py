"""The classifiers of the study: trained once per configuration and cached on disk.

A classifier is trained again only when something that it depends on has changed: the events, their split, the
specification, the seed, the length of training, or the code and the libraries that train.
"""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path

import numpy as np

from higgs_lib import data, device, metrics, models, provenance, training
from higgs_lib.data import EventStream, Sample, Splits, feature_set, origin
from higgs_lib.files import write_atomically
from higgs_lib.models import ModelSpec
from higgs_lib.study import trees
from higgs_lib.study.boosting import TreeSettings
from higgs_lib.study.run import Run, Scores
from higgs_lib.study.score_files import make_record
from higgs_lib.training import TrainConfig

log = logging.getLogger(__name__)

REJECTION_AT = (0.3, 0.5, 0.7)  # signal efficiencies


# Baldi et al. 2014, from their scripts, for the presets baldi_shallow and baldi_deep: at least 200 epochs, over which
# the momentum rises, then until 10 epochs bring no lower loss; the paper's deep networks ran about 1000 epochs.
BALDI = TrainConfig(epochs=1000, batch_size=100, patience=10, min_delta=1e-5, min_epochs=200)


@lru_cache(maxsize=1)
def _samples(events: Path, features: str, splits: Splits, fingerprint: str) -> dict[str, Sample | EventStream]:
    """Loads the events of every part; a new `fingerprint` reads a file again that was replaced under its name."""
    names = feature_set(features)
    samples = {part: data.load(events, names, getattr(splits, part)) for part in ("validation", "test")}
    return samples | {"training": EventStream.open(events, names, splits.training).load_if_fits()}


def quality(labels: np.ndarray, scores: np.ndarray) -> dict:
    """Returns AUC with its 95 % interval, accuracy and background rejections of scores, as JSON's types."""
    rejections = metrics.background_rejection(labels, scores, REJECTION_AT).tolist()
    return {
        "auc": metrics.auc_interval(labels, scores)._asdict(),
        "accuracy": metrics.accuracy(labels, scores),
        "background_rejection": dict(zip(map(str, REJECTION_AT), rejections, strict=True)),
    }


def result_name(recipe: dict) -> str:
    """Returns the name of a classifier's stored result."""
    return f"{recipe['classifier']}-{recipe['features']}-seed{recipe['seed']}"


@dataclass(frozen=True)
class Study:
    """One run's events and their split, on which classifiers are trained."""

    run: Run
    events: Path
    splits: Splits

    @classmethod
    def open(cls, run: str, events: str, *, n_test: int, n_validation: int, n_training: int = 0) -> "Study":
        """Returns the study of an events file.

        Args:
            run: the folder of results.
            events: the events file.
            n_test: events for testing, the last of the file.
            n_validation: events for validation, those before.
            n_training: events for training, the first of the file; 0: all others.

        Returns:
            The study, with parts of exactly these sizes.

        Raises:
            DataError: the file is damaged, a part of it has events of one class only, or its rows are those of a named
                split of other sizes.
            ValueError: the file has too few events; `open_reduced` takes fewer.
        """
        n_events = origin(events).n_events
        data.check_split_sizes(events, data.Sizes(n_test, n_validation, n_training))
        splits = data.split(n_events, n_test=n_test, n_validation=n_validation, n_training=n_training)
        data.check_classes(events, splits)
        return cls(Run(run), Path(events), splits)

    @classmethod
    def open_reduced(cls, run: str, events: str, *, n_test: int, n_validation: int, n_training: int = 0) -> "Study":
        """Returns the study of an events file that may be small: its sizes are `data.part_sizes` of those of `open`.

        01_data states which sizes are smaller than those asked for.
        """
        sizes = data.part_sizes(events, data.Sizes(n_test, n_validation, n_training))
        return cls.open(run, events, **sizes._asdict())

    def with_training_events(self, n_training: int, *, part: int = 0) -> "Study":
        """Returns the same study with only the first `n_training` of the training events, or a later part of as many.

        Raises ValueError if there are too few events for this part, counted from 0.
        """
        training = self.splits.training[part * n_training : (part + 1) * n_training]
        if part and len(training) < n_training:
            raise ValueError(f"{len(self.splits.training)} training events have no part {part} of {n_training}")
        return Study(self.run, self.events, self.splits._replace(training=training))

    @cached_property
    def fingerprint(self) -> str:
        """A name of the events and their split."""
        return data.fingerprint(self.events, self.splits)

    def samples(self, features: str) -> dict[str, Sample | EventStream]:
        """Returns the events of every part with the features of one set; the last set stays in memory.

        Training events that do not fit into memory are streamed from their file.
        """
        return _samples(self.events, features, self.splits, self.fingerprint)

    def train(
        self,
        classifier: str,
        spec: ModelSpec,
        features: str,
        seed: int,
        config: TrainConfig,
        *,
        events_per_epoch: int = 0,
        before: dict | None = None,
    ) -> dict:
        """Trains the network of a `ModelSpec`, or reads it back if it was trained in the same way before.

        The model, its scores on some training, the validation and the test events, and the measures of every epoch are
        stored.

        Args:
            classifier: the name of the network in files and tables.
            spec: the architecture and its optimizer.
            features: the feature set, "low", "high" or "complete".
            seed: of initial weights, dropout and the order of events.
            config: length, batch size and early stopping.
            events_per_epoch: the events of an epoch, to which the training events are repeated; 0: each of them once.
            before: the stored result of a network of this run, trained on other events, whose weights and
                standardisation the training starts from.

        Returns:
            The stored result.

        Raises:
            ValueError: `before` differs in its features or, but for the optimizer, in its `ModelSpec`; or an epoch is
                shorter than the training events.
        """
        recipe = self.recipe(classifier, spec, features, seed, config, events_per_epoch=events_per_epoch, before=before)
        return self._cached(recipe, lambda name: self._train_network(name, spec, recipe, config))

    def recipe(
        self,
        classifier: str,
        spec: ModelSpec,
        features: str,
        seed: int,
        config: TrainConfig,
        *,
        events_per_epoch: int = 0,
        before: dict | None = None,
    ) -> dict:
        """Returns what determines the result of `train` with the same arguments, which may raise the same errors."""
        if 0 < events_per_epoch < len(self.splits.training):
            raise ValueError(f"an epoch of {events_per_epoch} events cannot hold {len(self.splits.training)}")
        recipe = self._recipe(classifier, features, seed, (device.backend(), "keras", "numpy"))
        recipe |= {"spec": asdict(spec), **config._asdict()}
        if events_per_epoch:
            recipe |= {"events_per_epoch": events_per_epoch}
        if before:
            _check_same_network(before, recipe)
            recipe |= {"before": {"name": before["name"], **before["recipe"]}}
        return recipe

    def _train_network(self, name: str, spec: ModelSpec, recipe: dict, config: TrainConfig) -> tuple[dict, dict]:
        """Trains and stores a network; returns its result, and its scores on the parts of `_judged`."""
        import keras  # here, so that stored results can be read without it

        parts = self.samples(recipe["features"])
        events, columns = parts["training"], data.feature_set(recipe["features"])
        if "before" in recipe:
            model = models.load(self.run.model(recipe["before"]["name"]))
        else:
            of_features = models.standardisation(events, columns if spec.inputs == "kinematics" else ())
            model = models.build(spec, of_features, recipe["seed"], columns)
        if "events_per_epoch" in recipe:
            events = events.take(np.arange(recipe["events_per_epoch"]) % events.n_events)
        optimizer = models.optimizer(spec, events.n_events, config.batch_size, config.epochs)
        place = {"computes_on": provenance.stamp()["computes_on"]}  # on another device a training starts over
        checkpoint = self.run.checkpoint(name, recipe | place)
        history = training.fit(
            model,
            optimizer,
            events,
            parts["validation"],
            config,
            seed=recipe["seed"],
            checkpoint=checkpoint,
            name=name,
        )
        with write_atomically(self.run.model(name)) as path:
            model.save(path)
        result = {
            "n_parameters": sum(int(np.prod(variable.shape)) for variable in model.trainable_variables),
            "history": {part: history.as_dict()[part] for part in ("training", "validation", "seconds")},
            "best_epoch": history.best_epoch,
            "events_per_second": history.events_per_second,
        }
        judged = self._judged(recipe["features"])
        scores = {part: training.predict(model, sample.features) for part, sample in judged.items()}
        keras.backend.clear_session()
        return result, scores

    def _judged(self, features: str) -> dict[str, Sample]:
        """Returns the events on which classifiers are judged: validation, test, and as many training as validation."""
        parts = self.samples(features)
        known = parts["training"].take(np.arange(len(self._judged_rows()["training"])))
        return {"training": known, "validation": parts["validation"], "test": parts["test"]}

    def _judged_rows(self) -> dict[str, range]:
        """Returns the rows of the events of `_judged`."""
        return self.splits._replace(training=self.splits.training[: len(self.splits.validation)])._asdict()

    def scores_of(self, result: dict) -> Scores:
        """Returns the scores of this study's test events by a network of the run that was trained on other events."""
        test = self.samples(result["recipe"]["features"])["test"]
        model = models.load(self.run.model(result["name"]))
        return Scores(test.labels, training.predict(model, test.features))

    def score(self, result: dict, features: np.ndarray) -> np.ndarray:
        """Returns the scores (n,) that a stored classifier gives to other events.

        Args:
            result: the stored result.
            features: all features of the events in normalised units, (n, 28).

        Returns:
            The scores, higher for signal.

        Raises:
            ModelFileError: the run has no longer the trained classifier, or its file is damaged.
        """
        recipe = result["recipe"]
        columns = [data.COMPLETE.index(name) for name in data.feature_set(recipe["features"])]
        features = np.ascontiguousarray(features[:, columns])
        if "spec" in recipe:
            return training.predict(models.load(self.run.model(result["name"])), features)
        return trees.scores(trees.load(self.run.trees(result["name"])), features, recipe)

    def train_trees(
        self,
        classifier: str,
        features: str,
        seed: int,
        settings: TreeSettings,
        *,
        n_training: int,
        inputs: str = "columns",
    ) -> dict:
        """Trains XGBoost's boosted trees, or reads them back if they were trained in the same way before.

        Args:
            classifier: the name of the trees in files and tables.
            features: the feature set, "low", "high" or "complete".
            seed: of the events that each tree sees.
            settings: how the trees grow, until the loss on validation events falls no further.
            n_training: the number of training events, the first of the study's.
            inputs: "columns" or "kinematics", as those of a `ModelSpec`.

        Returns:
            The stored result.
        """
        small = self.with_training_events(n_training)
        packages = ("xgboost",) if inputs == "columns" else ("xgboost", device.backend(), "keras")
        recipe = small._recipe(classifier, features, seed, packages) | settings._asdict() | {"inputs": inputs}

        def train(name: str) -> tuple[dict, dict]:
            parts = small.samples(features)
            trained = trees.train(parts | {"training": parts["training"].load()}, recipe)
            with write_atomically(self.run.trees(name)) as path:
                trees.save(trained, path)
            scores = {part: trees.scores(trained, s.features, recipe) for part, s in small._judged(features).items()}
            return {"n_trees": trained.num_boosted_rounds()}, scores

        return small._cached(recipe, train)

    def _recipe(self, classifier: str, features: str, seed: int, packages: tuple[str, ...]) -> dict:
        """Returns what determines a classifier, without its own settings; `packages` are the libraries it uses."""
        return {
            "classifier": classifier,
            "features": features,
            "seed": seed,
            "n_training": len(self.splits.training),
            "n_validation": len(self.splits.validation),
            "n_test": len(self.splits.test),
            "events": self.fingerprint,
            "code": provenance.code_version("study.classifiers"),
            "versions": {package: provenance.stamp().get(package, "none") for package in packages},
        }

    def _cached(self, recipe: dict, train: Callable[[str], tuple[dict, dict]]) -> dict:
        """Returns the stored result of a recipe; `train` returns a result and its scores on the parts of `_judged`."""
        name = result_name(recipe)

        def make() -> dict:
            start = time.perf_counter()
            result, scores = train(name)
            labels = {part: sample.labels for part, sample in self._judged(recipe["features"]).items()}
            parts = {part: Scores(labels[part], scores[part].astype(np.float32)) for part in scores}
            record = make_record(recipe, origin(self.events), self.splits)
            self.run.save_scores(name, parts, self._judged_rows(), record)
            measured = {part: quality(*parts[part]) for part in parts}
            return {"seconds": time.perf_counter() - start, **result, **measured}

        model = self.run.model(name) if "spec" in recipe else self.run.trees(name)
        result = self.run.cached(name, recipe, make, [model, self.run.scores_file(name)])
        self.run.forget_checkpoints(name)
        return result


OF_OPTIMIZER = {
    "optimizer",
    "learning_rate",
    "momentum",
    "final_momentum",
    "momentum_epochs",
    "schedule",
    "warm_up",
    "decay",
    "weight_decay",
}
"""Fields of a `ModelSpec` that may differ where a training starts from the weights of another."""


def _check_same_network(before: dict, recipe: dict) -> None:
    """Raises ValueError unless a recipe describes the network of a stored result, up to the optimizer."""
    spec = json.loads(json.dumps(recipe["spec"]))
    changed = {name for name, value in spec.items() if before["recipe"]["spec"][name] != value} - OF_OPTIMIZER
    if before["recipe"]["features"] != recipe["features"] or changed:
        raise ValueError(
            f"{recipe['classifier']} cannot start from {before['name']}: "
            f"{', '.join(sorted(changed)) or 'its features'} would have to be the same"
        )
