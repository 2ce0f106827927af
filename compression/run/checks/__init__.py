"""Checks that refuse, before training, a configuration that does not fit the model or the data."""
