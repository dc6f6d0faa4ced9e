"""The classifiers of the study: trained on a run's events once, stored, and read back ever after.

A result is made again only when what it depends on has changed: the events, their split, the specification, the
seed, the length of training, or the code and the libraries that train.
"""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from higgs_lib import device, metrics, samples
from higgs_lib.data import origin, written_whole
from higgs_lib.features import feature_set
from higgs_lib.runs import Run, Scores
from higgs_lib.samples import Sample, Splits, Stream

log = logging.getLogger(__name__)

REJECTION_AT = (0.3, 0.5, 0.7)  # signal efficiencies


class Fit(NamedTuple):
    """The length and pace of a training."""

    epochs: int
    batch_size: int
    patience: int = 0
    """Epochs without a lower validation loss after which training ends; 0: never."""
    improvement: float = 0.0
    """The share by which it has to fall to count as lower."""


# Baldi et al. 2014, from their scripts, for the presets baldi_shallow and baldi_deep.
BALDI = Fit(epochs=1000, batch_size=100, patience=10, improvement=1e-5)


@lru_cache(maxsize=1)
def _samples(events: Path, features: str, splits: Splits, fingerprint: str) -> dict[str, Sample | Stream]:
    """The fingerprint makes sure that events made anew under the same name are read anew."""
    names = feature_set(features)
    held = {part: samples.load(events, names, getattr(splits, part)) for part in ("validation", "test")}
    return held | {"training": Stream.of(events, names, splits.training).held()}


def quality(labels: np.ndarray, scores: np.ndarray) -> dict:
    """AUC with its 95 % interval, accuracy and background rejections of one set of scores, ready to be stored."""
    rejections = metrics.background_rejection(labels, scores, REJECTION_AT).tolist()
    return {
        "auc": metrics.auc_interval(labels, scores)._asdict(),
        "accuracy": metrics.accuracy(labels, scores),
        "background_rejection": dict(zip(map(str, REJECTION_AT), rejections, strict=True)),
    }


@dataclass(frozen=True)
class Study:
    """One run's events and their split, on which classifiers are trained."""

    run: Run
    events: Path
    splits: Splits

    @classmethod
    def of(cls, run: str, events: str, *, n_test: int, n_validation: int, n_training: int = 0) -> "Study":
        """The study of an events file, split by `samples.split`."""
        n_events = origin(events).n_events
        splits = samples.split(n_events, n_test=n_test, n_validation=n_validation, n_training=n_training)
        return cls(Run(run), Path(events), splits)

    def with_training_events(self, n_training: int) -> "Study":
        """The same with only the first `n_training` of the training events."""
        return Study(self.run, self.events, self.splits._replace(training=self.splits.training[:n_training]))

    @cached_property
    def fingerprint(self) -> str:
        """Names the events and their split."""
        return samples.fingerprint(self.events, self.splits)

    def samples(self, features: str) -> dict[str, Sample | Stream]:
        """The events of every part, with the features of one set; the last set asked for stays in memory.

        Training events that memory does not hold stay in their file.
        """
        return _samples(self.events, features, self.splits, self.fingerprint)

    def train(self, kind: str, spec, features: str, seed: int, fit: Fit, *, before: dict | None = None) -> dict:
        """Trains the net of a `ModelSpec`, or reads it back if it was trained this way before: its stored result.

        `kind` names the net in files and tables. The model, its scores on validation and test events and the
        measures of every epoch are stored. `before` is the stored result of a net of this run, trained on other events:
        the training goes on from its weights and with its standardisation. ValueError unless its features and, but for
        the optimizer, its `ModelSpec` are the same.
        """
        modules = ("models", "schedules", "history", "checkpoints", "batches", "feed", "teams", "steps", "mirrored")
        modules += ("training", "kinematics", "kinematic_inputs", "symmetry")
        recipe = self._recipe(kind, features, seed, modules, ("tensorflow", "keras", "numpy"))
        recipe |= {"spec": asdict(spec), **fit._asdict()}
        if before:
            _check_same_net(before, recipe)
            recipe |= {"before": {"name": before["name"], **before["recipe"]}}
        return self._once(recipe, lambda name: self._train_net(name, spec, recipe, fit))

    def _train_net(self, name: str, spec, recipe: dict, fit: Fit) -> tuple[dict, dict]:
        import keras  # here, so that what is stored can be read without TensorFlow

        from higgs_lib import models, training

        parts = self.samples(recipe["features"])
        events, pace = parts["training"], {"epochs": fit.epochs, "batch_size": fit.batch_size}
        columns = feature_set(recipe["features"]) if spec.inputs == "kinematics" else ()
        if "before" in recipe:
            model = keras.models.load_model(self.run.model(recipe["before"]["name"]))
        else:
            model = models.build(spec, models.standardisation(events, columns), recipe["seed"])
        place = {"computes_on": device.stamp()["computes_on"]}  # on another device a training begins anew
        checkpoint = self.run.checkpoint(name, recipe | place)
        history = training.fit(
            model,
            models.optimizer(spec, n_events=events.n_events, **pace),
            events,
            parts["validation"],
            **pace,
            patience=fit.patience,
            improvement=fit.improvement,
            seed=recipe["seed"],
            checkpoint=checkpoint,
            name=name,
        )
        with written_whole(self.run.model(name)) as path:
            model.save(path)
        result = {
            "n_parameters": sum(int(np.prod(variable.shape)) for variable in model.trainable_variables),
            "history": {part: history.as_dict()[part] for part in ("training", "validation", "seconds")},
            "best_epoch": history.best_epoch,
            "events_per_second": history.events_per_second,
        }
        scores = {part: training.predict(model, parts[part].features) for part in ("validation", "test")}
        keras.backend.clear_session()
        return result, scores

    def scores_of(self, result: dict) -> Scores:
        """On this study's test events, by a net of this run that may have been trained on others."""
        import keras

        from higgs_lib import training

        test = self.samples(result["recipe"]["features"])["test"]
        model = keras.models.load_model(self.run.model(result["name"]))
        return Scores(test.labels, training.predict(model, test.features))

    def train_trees(
        self, kind: str, features: str, seed: int, *, n_training: int, iterations: int, inputs: str = "columns"
    ) -> dict:
        """Boosted trees by scikit-learn, learning rate 0.1, on the first `n_training` training events; as `train`.

        `inputs` is as a `ModelSpec`'s.
        """
        small = self.with_training_events(n_training)
        modules, packages = ("study",), ("scikit-learn",)
        if inputs == "kinematics":
            modules, packages = (*modules, "kinematics", "kinematic_inputs"), (*packages, "tensorflow", "keras")
        recipe = small._recipe(kind, features, seed, modules, packages) | {"iterations": iterations, "inputs": inputs}
        return small._once(recipe, lambda _: small._train_trees(recipe))

    def _train_trees(self, recipe: dict) -> tuple[dict, dict]:
        from sklearn.ensemble import HistGradientBoostingClassifier

        parts = {part: sample.whole() for part, sample in self.samples(recipe["features"]).items()}
        given = {part: sample.features for part, sample in parts.items()}
        if recipe["inputs"] == "kinematics":
            from higgs_lib.kinematic_inputs import computed  # here, as it needs Keras

            given = {part: computed(features, feature_set(recipe["features"])) for part, features in given.items()}
        settings = {"max_iter": recipe["iterations"], "early_stopping": False, "random_state": recipe["seed"]}
        trees = HistGradientBoostingClassifier(**settings).fit(given["training"], parts["training"].labels)
        return {}, {part: trees.predict_proba(given[part])[:, 1] for part in ("validation", "test")}

    def _recipe(self, kind: str, features: str, seed: int, modules: tuple, packages: tuple) -> dict:
        return {
            "kind": kind,
            "features": features,
            "seed": seed,
            "n_training": len(self.splits.training),
            "n_validation": len(self.splits.validation),
            "n_test": len(self.splits.test),
            "events": self.fingerprint,
            "code": device.code_version(*modules, "samples", "ranking", "metrics"),
            "versions": {package: device.stamp()[package] for package in packages},
        }

    def _once(self, recipe: dict, train: Callable[[str], tuple[dict, dict]]) -> dict:
        name = f"{recipe['kind']}-{recipe['features']}-seed{recipe['seed']}"
        stored = self.run.result(name)
        if stored and stored["recipe"] == as_stored(recipe):
            log.info("%s: read back", name)
            return stored
        start = time.perf_counter()
        result, scores = train(name)
        labels = {part: self.samples(recipe["features"])[part].labels for part in scores}
        self.run.save_scores(name, {part: Scores(labels[part], scores[part]) for part in scores})
        measured = {part: quality(labels[part], scores[part]) for part in scores}
        result = {"recipe": recipe, "seconds": time.perf_counter() - start, **result, **measured}
        self.run.save(name, result)  # last: a result that is there is whole
        self.run.forget_checkpoints(name)
        log.info("%s: test AUC %.4f in %.0f s", name, result["test"]["auc"]["value"], result["seconds"])
        return self.run.result(name)


STEPPING = {"optimizer", "learning_rate", "momentum", "final_momentum", "momentum_epochs", "schedule", "decay"}
"""What of a `ModelSpec` may be another where a training goes on from other events."""


def _check_same_net(before: dict, recipe: dict) -> None:
    one, other = before["recipe"], as_stored(recipe)
    changed = {name for name, value in other["spec"].items() if one["spec"][name] != value} - STEPPING
    if one["features"] != other["features"] or changed:
        raise ValueError(
            f"{other['kind']} cannot go on from {before['name']}: "
            f"{', '.join(sorted(changed)) or 'its features'} would have to be the same"
        )


def as_stored(recipe: dict) -> dict:
    """As JSON gives it back: tuples as lists."""
    return json.loads(json.dumps(recipe))
