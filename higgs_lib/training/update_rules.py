"""How workers that train without waiting for each other change the weights that they share, the *centre*.

The rules are those of Distributed Keras (J. Hermans, doi:10.5281/zenodo.167573; *Distributed Deep Learning*, MSc
thesis, Maastricht, 2017, cited as [H]). A worker trains for `window` batches and sends a *commit*, by which the centre
is changed; then it continues from the centre or, under an elastic rule, from weights of its own. In the formulas θ is
the centre, W a worker's weights, λ the window, and τ the staleness: how often the centre was changed since the worker
last pulled it. Every vector holds all trainable weights, (k,).
"""

from dataclasses import dataclass, field
from typing import ClassVar

import keras
import numpy as np

from higgs_lib.models.optimizers import NesterovMomentum


@dataclass(frozen=True)
class UpdateRule:
    """How workers train one model, or several."""

    window: ClassVar[int | None] = None
    """Batches between two commits, λ; None: workers exchange nothing before the end of an epoch."""

    @property
    def name(self) -> str:
        """The rule's name."""
        return type(self).__name__

    @property
    def rate_factor(self) -> float:
        """The factor of a learning rate that suits one machine, with which an event changes the centre about as much.

        It is the window where the rule divides by it, and 1 - μ where momentum adds steps up.
        """
        return 1.0

    def local_optimizer(self, optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
        """Returns the optimizer of a worker's own steps."""
        return optimizer


@dataclass(frozen=True)
class Averaging(UpdateRule):
    """Lets every worker train an epoch, and averages them: θ = mean of W. The workers wait for each other then.

    `AveragingTrainer` in Distributed Keras.
    """

    def mean(self, weights: list[np.ndarray]) -> np.ndarray:
        """Returns the mean of the workers' weights."""
        return np.mean(weights, axis=0, dtype=np.float64).astype(np.float32)


@dataclass(frozen=True)
class Single(Averaging):
    """Trains as one machine does, in one worker. `SingleTrainer` in Distributed Keras."""


@dataclass(frozen=True)
class Ensemble(UpdateRule):
    """Trains a network in every worker; their scores are averaged. `EnsembleTrainer` in Distributed Keras."""

    initial_weights: tuple = field(default=(), repr=False, compare=False)
    """The initial weights of each worker's network, as `model.get_weights` returns them; (): those of the model."""


@dataclass(frozen=True)
class AsynchronousRule(UpdateRule):
    """What a worker commits, and how the centre is changed by it."""

    window: int
    """Batches between two commits, λ; the last commit of an epoch may come earlier."""

    elastic: ClassVar[bool] = False
    """Whether workers keep weights of their own, and pull the centre only to compare."""

    def __post_init__(self):
        if self.window < 1:
            raise ValueError(f"{self.name}: the window must be one batch or more, not {self.window}")

    def commit(self, weights: np.ndarray, centre: np.ndarray, n_batches: int) -> np.ndarray:
        """Returns what a worker commits.

        Args:
            weights: the worker's weights after its steps.
            centre: the centre as it last pulled it; under a rule that is not elastic, its steps began there.
            n_batches: the number of its steps, which is the window or, at the end of an epoch, less.

        Returns:
            The commit.
        """
        raise NotImplementedError

    def update(self, centre: np.ndarray, commit: np.ndarray, pulled: np.ndarray, staleness: int) -> np.ndarray:
        """Returns the centre after a commit.

        Args:
            centre: the centre before it.
            commit: what the worker sends.
            pulled: the centre as the worker last pulled it.
            staleness: how often the centre was changed since then.

        Returns:
            The new centre.
        """
        return centre + commit


@dataclass(frozen=True)
class DOWNPOUR(AsynchronousRule):
    """Adds what a worker's steps changed: θ += W - θ_pulled.

    J. Dean et al., *Large scale distributed deep networks*, NIPS 2012; `DOWNPOUR` in Distributed Keras.
    """

    window: int = 5

    def commit(self, weights: np.ndarray, centre: np.ndarray, n_batches: int) -> np.ndarray:
        """Returns W - θ_pulled."""
        return weights - centre


@dataclass(frozen=True)
class AGN(AsynchronousRule):
    """Adds the mean of a worker's steps (accumulated gradient normalisation): θ += (W - θ_pulled) / λ.

    J. Hermans, G. Spanakis, R. Möckel, arXiv:1710.02368; `ADAG` in Distributed Keras.
    """

    window: int = 12

    @property
    def rate_factor(self) -> float:
        """The window, by which the rule divides."""
        return float(self.window)

    def commit(self, weights: np.ndarray, centre: np.ndarray, n_batches: int) -> np.ndarray:
        """Returns (W - θ_pulled) / λ."""
        return (weights - centre) / np.float32(n_batches)


@dataclass(frozen=True)
class DynSGD(DOWNPOUR):
    """Divides what a worker's steps changed by its staleness: θ += (W - θ_pulled) / (τ + 1).

    J. Jiang et al., *Heterogeneity-aware distributed parameter servers*, SIGMOD 2017; `DynSGD` in Distributed Keras.
    """

    def update(self, centre: np.ndarray, commit: np.ndarray, pulled: np.ndarray, staleness: int) -> np.ndarray:
        """Returns θ + commit / (τ + 1)."""
        return centre + commit / np.float32(staleness + 1)


@dataclass(frozen=True)
class ADAG(AGN):
    """Divides the mean of a worker's steps where the centre has moved since: θ += d / ((θ - θ_pulled)² / η + 1).

    d is the commit of AGN, and the division is elementwise; [H]; `Experimental` in Distributed Keras.
    """

    window: int = 5
    learning_rate: float = 0.1
    """η."""

    def update(self, centre: np.ndarray, commit: np.ndarray, pulled: np.ndarray, staleness: int) -> np.ndarray:
        """Returns θ + commit / ((θ - θ_pulled)² / η + 1)."""
        return centre + commit / ((centre - pulled) ** 2 / np.float32(self.learning_rate) + 1)


@dataclass(frozen=True)
class AEASGD(AsynchronousRule):
    """Pulls a worker and the centre towards each other: W -= E and θ += E, where E = α (W - θ) and α = ρ η.

    S. Zhang, A. Choromanska, Y. LeCun, *Deep learning with elastic averaging SGD*, NIPS 2015, algorithm 1; `AEASGD` in
    Distributed Keras.
    """

    window: int = 32
    rho: float = 5.0
    """ρ, how strongly a worker explores: the smaller, the further it goes from the centre."""
    learning_rate: float = 0.1
    """η, which enters α alone."""

    elastic: ClassVar[bool] = True

    def __post_init__(self):
        super().__post_init__()
        if not 0 < self.rho * self.learning_rate < 1:
            alpha = self.rho * self.learning_rate
            raise ValueError(f"{self.name}: rho * learning_rate must be between 0 and 1, not {alpha:g}")

    def commit(self, weights: np.ndarray, centre: np.ndarray, n_batches: int) -> np.ndarray:
        """Returns E = α (W - θ_pulled)."""
        return np.float32(self.rho * self.learning_rate) * (weights - centre)


@dataclass(frozen=True)
class EAMSGD(AEASGD):
    """AEASGD whose local steps have Nesterov momentum μ.

    S. Zhang et al., NIPS 2015, algorithm 2; `EAMSGD` in Distributed Keras.
    """

    momentum: float = 0.9
    """μ."""

    @property
    def rate_factor(self) -> float:
        """1 - μ, as momentum adds steps up."""
        return 1 - self.momentum

    def local_optimizer(self, optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
        """Returns the optimizer with Nesterov momentum."""
        return NesterovMomentum(optimizer, self.momentum)


RULES = {rule.__name__: rule for rule in (Single, Averaging, Ensemble, DOWNPOUR, AGN, DynSGD, AEASGD, EAMSGD, ADAG)}
