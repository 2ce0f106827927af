"""Single weights: unstructured pruning."""

from collections.abc import Mapping

from torch import Tensor

from compression.pruning.ranking import lowest


class Weights:
    """Removes single weights, the lowest scores of each layer."""

    fixed_sparsity = None

    def check(self, weights: Mapping[str, Tensor]) -> None:
        """Fit every layer."""

    def __call__(self, scores: Mapping[str, Tensor], num_kept: Mapping[str, int]) -> dict[str, Tensor]:
        """Keep exactly ``num_kept`` weights of each layer."""
        return {name: ~lowest(s.flatten(), s.numel() - num_kept[name]).view(s.shape) for name, s in scores.items()}
