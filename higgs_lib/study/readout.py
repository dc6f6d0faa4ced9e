"""How well the high-level masses can be read off a network's hidden layers by a linear function."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from higgs_lib.data import HIGH, Sample, kinematics, symbol
from higgs_lib.metrics import Interval

if TYPE_CHECKING:
    import keras

RIDGE = 1e-6  # of the events' number, for inputs of variance 1: hidden units may be linearly dependent
DRAWS, GROUPS = 500, 1000  # of the bootstrap; groups of events are drawn, which takes less time than events
BLOCK = 8192  # events that a network computes at a time
MIN_R2 = 0.5  # half of a mass' variance


class Readout(NamedTuple):
    """The R^2 with which a linear function of some inputs gives the logarithm of each mass."""

    inputs: str
    """What the function is of: "features", or the name of a hidden layer."""
    r2: dict[str, Interval]
    """The R^2 on test events by mass, with its interval from their finite number."""
    r2_fitted: dict[str, float]
    """The R^2 by mass on the events to which the function is fitted, by which layers are selected."""


def log_masses(high: np.ndarray) -> np.ndarray:
    """Returns the natural logarithm (n, 7) of the masses in GeV, of the high-level features (n, 7)."""
    return np.log(
        np.stack([kinematics.to_physical(column, name) for column, name in zip(high.T, HIGH, strict=True)], 1)
    )


def linear_prediction(fitted: np.ndarray, targets: np.ndarray, inputs: np.ndarray) -> np.ndarray:
    """Returns what the linear function that fits some events best gives for others.

    Least squares with a constant and a small ridge, so that dependent inputs do no harm; inputs are standardised.

    Args:
        fitted: the inputs of the events that are fitted (n, k).
        targets: their targets (n, m).
        inputs: the inputs of the others (n_others, k).

    Returns:
        Their targets by the function (n_others, m).
    """
    from sklearn.linear_model import Ridge  # here, as it is slow to import

    mean, spread = fitted.mean(0, dtype=np.float64), fitted.std(0, dtype=np.float64)
    scale = np.where(spread > 0, spread, 1.0)
    ridge = Ridge(alpha=RIDGE * len(fitted), solver="cholesky").fit((fitted - mean) / scale, targets)
    return ridge.predict((inputs - mean) / scale)


def r_squared(targets: np.ndarray, predictions: np.ndarray, *, seed: int) -> list[Interval]:
    """Returns R^2, 1 - sum (t - p)^2 / sum (t - mean t)^2, of each target, with its bootstrap interval over the events.

    Args:
        targets: the true values t (n, m).
        predictions: the predictions p (n, m).
        seed: of the bootstrap.

    Returns:
        R^2 of each of the m targets.
    """
    n, n_groups = len(targets), min(GROUPS, len(targets))
    centred = targets - targets.mean(0)
    terms = np.concatenate([(targets - predictions) ** 2, centred**2, centred], 1)
    groups = np.add.reduceat(terms, np.arange(n_groups) * n // n_groups)
    times = np.random.default_rng(seed).multinomial(n_groups, np.full(n_groups, 1 / n_groups), DRAWS)
    residual, total, shift = np.split(np.concatenate([np.ones((1, n_groups)), times]) @ groups, 3, axis=1)
    r2 = 1 - residual / (total - shift**2 / n)  # about the mean of each draw
    return [Interval.from_draws(float(column[0]), column[1:]) for column in r2.T]


def hidden_layers(model: "keras.Model", features: np.ndarray) -> dict[str, np.ndarray]:
    """Returns the outputs (n, units) of a model's hidden layers, by their names, for raw features (n, n_features)."""
    import keras  # here, so that stored results can be read without it

    layers = [layer.name for layer in model.layers if layer.name.startswith("hidden_")]
    inner = keras.Model(model.inputs[0], {name: model.get_layer(name).output for name in layers})
    blocks = [inner(features[i : i + BLOCK], training=False) for i in range(0, len(features), BLOCK)]
    return {name: np.concatenate([keras.ops.convert_to_numpy(block[name]) for block in blocks]) for name in layers}


def untrained(model: "keras.Model") -> "keras.Model":
    """Returns the network as it was before its training: the same layers, with their initial weights."""
    import keras  # here, so that stored results can be read without it

    return keras.models.clone_model(model)


def read_layers(
    model: "keras.Model", fitted: Sample, fitted_masses: np.ndarray, test: Sample, test_masses: np.ndarray
) -> list[Readout]:
    """Reads the masses off every hidden layer of a network.

    Args:
        model: the network; it takes the features of the samples.
        fitted: the events to which the linear functions are fitted.
        fitted_masses: their logarithms of masses (n, 7), of `log_masses`.
        test: the events on which R^2 is measured.
        test_masses: theirs.

    Returns:
        A result for each hidden layer, from the first on.
    """
    fitted_layers, test_layers = (hidden_layers(model, sample.features) for sample in (fitted, test))
    return [read(name, fitted_layers[name], fitted_masses, test_layers[name], test_masses) for name in fitted_layers]


def read(
    name: str, fitted: np.ndarray, fitted_masses: np.ndarray, test: np.ndarray, test_masses: np.ndarray
) -> Readout:
    """Reads the masses off any inputs.

    Args:
        name: what the inputs are called.
        fitted: the inputs (n, k) of the events to which the linear functions are fitted.
        fitted_masses: their logarithms of masses (n, 7).
        test: the inputs of the events on which R^2 is measured.
        test_masses: theirs.

    Returns:
        The result.
    """
    predictions = linear_prediction(fitted, fitted_masses, np.concatenate([fitted, test]))
    of_fitted, of_test = np.split(predictions, [len(fitted)])
    r2_fitted = 1 - np.mean((fitted_masses - of_fitted) ** 2, 0) / fitted_masses.var(0)
    r2 = r_squared(test_masses, of_test, seed=1)
    return Readout(name, dict(zip(HIGH, r2, strict=True)), dict(zip(HIGH, r2_fitted.tolist(), strict=True)))


class BestLayer(NamedTuple):
    """The hidden layer off which one mass can be read best, by the events to which the functions are fitted."""

    mass: str
    """The mass, by its name in the feature set "high"."""
    layer: str
    """The name of the layer."""
    r2: Interval
    """Its R^2 on test events."""
    reference: Interval
    """That of the best without training, of the features themselves and the layers before the training."""

    @property
    def gain(self) -> float:
        """How much of R^2 the training has brought."""
        return self.r2.value - self.reference.value

    @property
    def learnt(self) -> bool:
        """Whether the layer gives at least half of the variance, and clearly more than without training."""
        return self.r2.value >= MIN_R2 and self.r2.low > self.reference.high


def best_layers(trained: list[Readout], references: list[Readout]) -> list[BestLayer]:
    """Returns the best layer for each mass, the mass that training has brought most first.

    The layers and the references are selected by R^2 on the events of the fit, so that the R^2 on test events is that
    of a selection which these events had no part in.

    Args:
        trained: the layers of the network.
        references: those without training: the features, and the layers before the training.

    Returns:
        A result for each mass.
    """
    best = []
    for mass in HIGH:
        layer, reference = (max(some, key=lambda r, m=mass: r.r2_fitted[m]) for some in (trained, references))
        best.append(BestLayer(mass, layer.inputs, layer.r2[mass], reference.r2[mass]))
    return sorted(best, key=lambda layer: -layer.gain)


def describe(network: str, trained: list[Readout], references: list[Readout]) -> str:
    """Returns two sentences on the masses that a network has learnt.

    Args:
        network: what texts call it, such as "deep network".
        trained: as of `best_layers`.
        references: as of `best_layers`.

    Returns:
        The sentences.
    """
    best = best_layers(trained, references)
    learnt = ", ".join(symbol(layer.mass) for layer in best if layer.learnt)
    clearly = (
        f"A linear function of a hidden layer of the {network} gives half or more of the variance of {learnt}, and "
        "more than without training."
        if learnt
        else f"No linear function of a hidden layer of the {network} gives half of a mass' variance, and more than "
        "without training."
    )
    most, least = best[0], best[-1]
    if most.r2.low <= most.reference.high:
        return f"{clearly} Training has clearly brought it none of the masses."
    return (
        f"{clearly} Training has brought it most of {symbol(most.mass)} (R² {most.r2:.2f} in "
        f"{most.layer.replace('_', ' ')}, {most.reference:.2f} without training) and least of {symbol(least.mass)} "
        f"({least.r2:.2f}, {least.reference:.2f})."
    )
