"""Training within a stage: the Lightning trainer, its loggers and checkpoints, teachers, several processes."""
