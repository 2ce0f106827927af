from finished_sweep import finished_sweep  # noqa: F401 - a fixture
from trained_store import finished, make, outputs, shared, trained  # noqa: F401 - fixtures
