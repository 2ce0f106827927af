"""Data sets and the one way from their images to batches on a device."""
