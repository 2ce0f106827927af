from finished_sweep import finished  # noqa: F401
