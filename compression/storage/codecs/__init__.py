"""Codecs: one array to bytes and back, bit for bit; one file each."""
