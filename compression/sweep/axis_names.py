"""Short names of axes for folders, labels and columns on a screen."""

# The axes that are swept most often. Sparsity is in percent.
SHORT_NAMES = {"sparsity": "s", "weight_bits": "w", "activation_bits": "a", "bits": "b", "seed": "seed"}


def shorten_key(key: str) -> str:
    """Return the last part of a key of the configuration, e.g. ``lr_factor`` of ``strategy.recovery.lr_factor``."""
    return key.lstrip("+").replace("/", ".").rpartition(".")[2]
