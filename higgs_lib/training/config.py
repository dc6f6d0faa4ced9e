"""The length and batch size of a training."""

from typing import NamedTuple


class TrainConfig(NamedTuple):
    """The length of a training, its batch size and its early stopping."""

    epochs: int
    """The largest number of passes over the training events."""
    batch_size: int
    """Events per step, over all workers together."""
    patience: int = 0
    """Epochs without a lower validation loss after which training stops; 0: never."""
    min_delta: float = 0.0
    """The smallest relative decrease of the validation loss that counts as lower."""
    min_epochs: int = 0
    """Epochs before which training never stops early."""
