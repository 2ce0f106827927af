"""Building blocks that need nothing but torch. Every other package may import them."""
