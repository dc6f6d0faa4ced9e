"""What boosted trees are, without the libraries that train them."""

from typing import NamedTuple


class TreeSettings(NamedTuple):
    """How boosted trees grow; the defaults are those of the study for few training events."""

    iterations: int = 600
    """The number of trees, at most."""
    leaves: int = 31
    """The leaves of each tree, at most."""
    learning_rate: float = 0.05
    """The factor of each tree in the score."""
    event_fraction: float = 0.8
    """The fraction of the training events that each tree sees, drawn at random."""
    patience: int = 50
    """The trees without a lower validation loss after which training stops; 0: never."""
    bins: int = 64
    """The bins of each feature, at whose edges the trees cut, at most."""
