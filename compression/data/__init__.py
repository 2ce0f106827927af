"""Data sets and the one way from their images to batches on a device."""

from compression.data.augment import Augment
from compression.data.base import Dataset, ImageData, ImageSource, Split
from compression.data.batch_size import find_batch_size
from compression.data.batches import Batches, make_batches
from compression.data.decode import read_image
from compression.data.normalization import normalize

__all__ = [
    "Augment",
    "Batches",
    "Dataset",
    "ImageData",
    "ImageSource",
    "Split",
    "find_batch_size",
    "make_batches",
    "normalize",
    "read_image",
]
