from trained_store import finished, make, outputs, shared, trained  # noqa: F401 - fixtures
