"""Classifier architectures: one file per model family, with a function of the same name that builds the model."""
