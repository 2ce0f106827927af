"""The objective of a student in training."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from compression.distillation.features import FeatureTap
from compression.distillation.logit import mix_losses, soft_loss
from compression.distillation.teacher import Teacher
from compression.distillation.transfer import FeatureTransfer, own_module


class Distillation:
    """``alpha * T^2 * KL(teacher/T || student/T) + (1 - alpha) * CE``, plus what ``transfer`` asks of feature maps.

    Between ``attach`` and ``detach`` it watches the layers it needs, and is called once after each run of the student.
    ``learned`` is what is trained beside the student: the regressors of hints.
    """

    def __init__(
        self,
        teacher: Teacher,
        *,
        alpha: float,
        temperature: float,
        label_smoothing: float = 0.0,
        transfer: FeatureTransfer | None = None,
    ) -> None:
        self.teacher = teacher
        self.alpha = alpha
        self.temperature = temperature
        self.label_smoothing = label_smoothing
        self.transfer = transfer
        self.learned = own_module(transfer)
        self._taps: list[FeatureTap] = []

    def to(self, device: torch.device) -> None:
        """Move the teacher, and what is learned, to where the student is trained."""
        self.teacher.to(device)
        self.learned.to(device)

    def attach(self, student: nn.Module) -> None:
        """Watch the layers of ``student`` and teacher that are compared."""
        if self.transfer is not None:
            mine, its = zip(*self.transfer.pairs, strict=True)
            self._taps = [FeatureTap(student, mine), FeatureTap(self.teacher.net, its)]

    def detach(self) -> None:
        """Leave student and teacher as they were."""
        for tap in self._taps:
            tap.remove()
        self._taps = []

    def __call__(self, images: Tensor, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return the ``loss`` of one batch and, detached, what it is made of.

        ``images: [B, 3, H, W]``, the student's ``logits: [B, K]`` for them, ``labels: [B]``.
        """
        taught = self.teacher(images)
        hard = cross_entropy(logits, labels, label_smoothing=self.label_smoothing)
        soft = soft_loss(logits, taught, temperature=self.temperature)
        loss = mix_losses(soft, hard, alpha=self.alpha)
        parts = {"cross_entropy": hard.detach(), "distillation_loss": soft.detach()}
        if self.transfer is not None:
            apart = self.transfer.compare(*(tap.take() for tap in self._taps))
            parts["feature_loss"] = apart.detach()
            loss = loss + self.transfer.weight * apart
        return {"loss": loss} | parts
