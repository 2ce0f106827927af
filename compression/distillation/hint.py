"""Hints of FitNets, arXiv:1412.6550."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.nn.utils import skip_init

from compression.distillation.features import resize_to
from compression.distillation.precision import at_least_float32


class Hint(nn.Module):
    """Mean squared difference between the teacher's features and a learned 1x1 convolution of the student's.

    ``widths`` are (student channels, teacher channels) of each pair of layers. The convolutions (regressors in the
    paper) are trained together with the student but do not belong to it. ``generator`` draws their initial weights.
    """

    def __init__(self, widths: Sequence[tuple[int, int]], *, generator: torch.Generator) -> None:
        super().__init__()
        self.regressors = nn.ModuleList()
        for student, teacher in widths:
            # Skip torch's initialization, which would draw from the global generator.
            layer = skip_init(nn.Conv2d, student, teacher, kernel_size=1)
            nn.init.normal_(layer.weight, std=student**-0.5, generator=generator)
            nn.init.zeros_(layer.bias)
            self.regressors.append(layer)

    def forward(self, student_features: Sequence[Tensor], teacher_features: Sequence[Tensor]) -> Tensor:
        """Return the sum of the mean squared differences over pairs of layers, a scalar.

        Features are ``[B, C, H, W]``. If height or width differ, the teacher's features are averaged over, or repeated
        to, the student's positions.
        """
        total = student_features[0].new_zeros(())
        for regress, student, teacher in zip(self.regressors, student_features, teacher_features, strict=True):
            target = resize_to(at_least_float32(teacher), student)
            total = total + mse_loss(at_least_float32(regress(student)), target)
        return total
