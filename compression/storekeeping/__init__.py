"""The store of finished stages, looked after: what lies there, who uses it, what may go."""
