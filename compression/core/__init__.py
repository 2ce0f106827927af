"""Building blocks that need only torch and msgspec. Every other package may import them."""
