"""Building blocks that need torch alone; every other package may import them."""
