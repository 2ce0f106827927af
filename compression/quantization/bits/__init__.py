"""Mixed precision: how many bits each layer gets."""
