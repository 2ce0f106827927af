"""Classifier architectures: one family a file, its function named for the file."""
