"""Data sets, and the single pipeline from their images to batches on a device."""
