"""Mixed precision: the choice of a number of bits for each layer."""
