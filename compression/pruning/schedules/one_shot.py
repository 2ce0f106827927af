"""One-shot: the target in a single step."""


class OneShot:
    """Prunes to the target at once."""

    def num_steps(self, target: float) -> int:  # noqa: ARG002
        """Return 1."""
        return 1

    def __call__(self, step: int, target: float) -> float:
        """Return the target."""
        assert step == 1
        return target
