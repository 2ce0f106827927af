"""Short names of axes for folders, labels and columns on a screen."""

from collections import Counter
from collections.abc import Iterable

# The axes that are swept most often. Sparsity is in percent.
SHORT_NAMES = {"sparsity": "s", "weight_bits": "w", "activation_bits": "a", "bits": "b", "seed": "seed"}


def shorten_key(key: str) -> str:
    """Return the last part of a key of the configuration, e.g. ``lr_factor`` of ``strategy.recovery.lr_factor``."""
    return key.lstrip("+").replace("/", ".").rpartition(".")[2]


def name_keys(keys: Iterable[str]) -> dict[str, str]:
    """Return a short name for each key, or the key itself where several have the same last part."""
    short = {key: shorten_key(key) for key in keys}
    counts = Counter(short.values())
    return {key: name if counts[name] == 1 else key.lstrip("+") for key, name in short.items()}
