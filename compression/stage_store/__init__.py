"""Store of finished stages on disk: found by the hash of their inputs, locked while in use, cleaned on request."""
