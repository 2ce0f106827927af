"""Building blocks that need no package but torch. Every other package may import them."""
