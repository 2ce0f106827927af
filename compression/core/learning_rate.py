"""Learning-rate factors as functions of the update number, so that a resumed run needs no saved state."""

import math

# The cosine of a later training (recovery, fine-tuning, rounding) ends at this fraction of its start.
LR_FLOOR = 0.01


def cosine_factor(progress: float, floor: float) -> float:
    """Return ``floor + (1 - floor) * (1 + cos(pi * p)) / 2`` for progress p in [0, 1] (arXiv:1608.03983)."""
    return floor + (1 - floor) * (1 + math.cos(math.pi * progress)) / 2


def warmup_cosine(update: int, *, num_updates: int, num_warmup: int, floor: float) -> float:
    """Return the factor at ``update`` (from 0): a linear rise over ``num_warmup`` updates, then a cosine to ``floor``.

    The factor reaches ``floor`` at ``num_updates`` and stays there.
    """
    if update < num_warmup:
        return (update + 1) / num_warmup
    return cosine_factor(min(1.0, (update - num_warmup) / max(1, num_updates - num_warmup)), floor)


def repeated_cosine(update: int, *, cycle: int, floor: float, lead: int = 0, warmup: float = 0.0) -> float:
    """Return the factor at ``update`` (from 0) of a cosine that restarts every ``cycle`` updates.

    An extra cosine over the first ``lead`` updates comes before them if ``lead`` is not 0. Each cosine starts with a
    linear rise over the fraction ``warmup`` of its updates.
    """
    if update < lead:
        return warmup_cosine(update, num_updates=lead, num_warmup=round(lead * warmup), floor=floor)
    return warmup_cosine((update - lead) % cycle, num_updates=cycle, num_warmup=round(cycle * warmup), floor=floor)
