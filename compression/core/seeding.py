"""Seeds and random generators that depend on names alone.

A resumed run thus draws the same numbers as an uninterrupted one.
"""

import hashlib

import torch


def derive_seed(*parts: str | int) -> int:
    """Return a 63-bit seed for a named purpose, such as ``derive_seed(42, "augment", epoch)``."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def make_generator(*parts: str | int, device: torch.device | str = "cpu") -> torch.Generator:
    """Return a generator on ``device``, seeded by ``derive_seed(*parts)``."""
    return torch.Generator(device=device).manual_seed(derive_seed(*parts))
