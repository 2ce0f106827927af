"""One-shot: the target sparsity in a single step."""


class OneShot:
    """Schedule of one step."""

    def num_steps(self, target: float) -> int:  # noqa: ARG002
        """Return 1."""
        return 1

    def __call__(self, step: int, target: float) -> float:
        """Return ``target``."""
        assert step == 1
        return target
