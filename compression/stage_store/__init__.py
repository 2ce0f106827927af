"""Finished stages on disk: found again by the hash of their inputs, locked while in use, cleaned on request."""
