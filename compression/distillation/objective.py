"""The training objective of a student: distillation loss, cross-entropy and feature loss."""

import torch
from torch import Tensor, nn

from compression.core.label_loss import LabelLoss
from compression.distillation.features import FeatureTap
from compression.distillation.logit import mix_losses, soft_loss
from compression.distillation.teacher import Teacher
from compression.distillation.transfer import FeatureTransfer, own_module


class Distillation:
    """The loss ``alpha * T^2 * KL(teacher/T || student/T) + (1 - alpha) * CE``, plus the loss of ``transfer`` if given.

    ``label_loss`` is CE: cross-entropy, or another loss of the labels. Its class weights say how much an image counts,
    so they multiply KL too. Its focal factor does not: it is about the label.
    Between ``attach`` and ``detach`` it records the layers it compares; call it once after each run of the student.
    ``learned`` is a module with the parameters that are trained besides the student: the regressors of hints.
    """

    def __init__(
        self,
        teacher: Teacher,
        *,
        alpha: float,
        temperature: float,
        label_loss: LabelLoss | None = None,
        transfer: FeatureTransfer | None = None,
    ) -> None:
        self.teacher = teacher
        self.alpha = alpha
        self.temperature = temperature
        self.label_loss = label_loss or LabelLoss()
        self.transfer = transfer
        self.learned = own_module(transfer)
        self._taps: list[FeatureTap] = []

    def to(self, device: torch.device) -> None:
        """Move the teacher and ``learned`` to ``device``, where the student is trained."""
        self.teacher.to(device)
        self.learned.to(device)

    def attach(self, student: nn.Module) -> None:
        """Start to record the compared layers of ``student`` and teacher."""
        if self.transfer is not None:
            mine, its = zip(*self.transfer.pairs, strict=True)
            self._taps = [FeatureTap(student, mine), FeatureTap(self.teacher.net, its)]

    def detach(self) -> None:
        """Remove all hooks from student and teacher."""
        for tap in self._taps:
            tap.remove()
        self._taps = []

    def __call__(self, images: Tensor, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """Return the ``loss`` of one batch, and its parts without gradient, by name.

        ``images: [B, channels, H, W]`` are the student's input, ``logits: [B, C]`` its output, ``labels: [B]`` the
        classes. Without ``transfer``, the loss is ``alpha * T^2 * KL(teacher/T || student/T) + (1 - alpha) * CE``. Its
        gradient with respect to the student's logits s, for the teacher's logits t and plain cross-entropy, is
        ``(alpha * T * (softmax(s/T) - softmax(t/T)) + (1 - alpha) * (softmax(s) - onehot)) / B``.
        """
        taught = self.teacher(images)
        hard = self.label_loss(logits, labels)
        soft = soft_loss(logits, taught, temperature=self.temperature, weights=self.label_loss.weigh(labels))
        loss = mix_losses(soft, hard, alpha=self.alpha)
        parts = {"cross_entropy": hard.detach(), "distillation_loss": soft.detach()}
        if self.transfer is not None:
            apart = self.transfer.compare(*(tap.take() for tap in self._taps))
            parts["feature_loss"] = apart.detach()
            loss = loss + self.transfer.weight * apart
        return {"loss": loss} | parts
