"""Schema of the group ``distillation``: the teacher, the loss, and the network that learns."""

from dataclasses import dataclass, field
from typing import Any

from compression.config.rules import Section, allow, at_least, checked, one_of, require, within
from compression.core.errors import InputError

DISTILLATIONS = ("none", "logit", "feature")
TRANSFERS = ("attention", "hint")


@dataclass
class FeatureConfig(Section):
    """The loss of feature maps, and the layers that it compares. Without layers the run chooses them."""

    kind: str = checked("attention", one_of(*TRANSFERS))
    weight: float | None = checked(None, allow(lambda weight: weight > 0, "> 0, or null for the kind's own"))
    student_layers: list[str] = field(default_factory=list)
    teacher_layers: list[str] = field(default_factory=list)

    def check(self, at: str) -> None:
        """Raise ``InputError`` if layers have no partner."""
        num_teacher = len(self.teacher_layers)
        require(
            len(self.student_layers) == num_teacher,
            f"{at}.student_layers",
            self.student_layers,
            f"as many as {at}.teacher_layers, which are {num_teacher}; without either, layers are chosen",
        )


@dataclass
class DistillationConfig(Section):
    """Teacher, loss and learner: the network that is compressed, or a student of another architecture."""

    name: str = checked("none", one_of(*DISTILLATIONS))
    alpha: float = checked(0.9, within("[0, 1]"))
    temperature: float = checked(4.0, allow(lambda temperature: temperature > 0, "a number > 0"))
    teacher: str | None = None
    epochs: int | None = checked(None, at_least(1, note=", or null for as many as dense training"))
    inherit_weights: bool = False
    feature: FeatureConfig = field(default_factory=FeatureConfig)
    student: Any = field(default_factory=dict)

    def __post_init__(self) -> None:
        # A command may remove the student that a preset sets: distillation.student=null.
        self.student = {} if self.student is None else self.student

    def check(self, at: str) -> None:
        """Raise ``InputError`` if settings contradict each other."""
        self._check_student(at)
        self._refuse_what_has_no_effect(at)

    def _check_student(self, at: str) -> None:
        group = f"{at}/student"
        if not isinstance(self.student, dict):
            raise InputError(f"{at}.student={self.student}: must be chosen as a group: {group}={self.student}")
        if self.student and "_target_" not in self.student:
            raise InputError(
                f"{at}.student={self.student}: names no network; choose one, {group}=NAME, or remove all of it, "
                f"{at}.student=null"
            )
        if "weights" in self.student:
            raise InputError(
                f"{at}.student.weights={self.student['weights']}: must be left out, for a student is trained; "
                "a trained network that is compressed is model.weights"
            )
        if self.epochs is not None and not self.student:
            raise InputError(f"{at}.epochs={self.epochs} is of a student: must be null without {group}")
        if self.inherit_weights and not self.student:
            raise InputError(f"{at}.inherit_weights=true is of a student: must be false without {group}")
        if self.inherit_weights and self.student.get("pretrained"):
            raise InputError(f"{at}.inherit_weights=true contradicts {at}.student.pretrained=true: one must be false")

    def _refuse_what_has_no_effect(self, at: str) -> None:
        if self.name == "none":
            loss = f"must have a loss, {at}=logit or {at}=feature"
            if self.student:
                raise InputError(f"{at}.student={self.student['_target_']} contradicts {at}=none: {loss}")
            for name in ("alpha", "temperature", "teacher"):
                value = getattr(self, name)
                if value != getattr(DistillationConfig, name):
                    raise InputError(f"{at}.{name}={value} contradicts {at}=none: {loss}")
        if self.name != "feature" and self.feature != FeatureConfig():
            raise InputError(f"{at}.feature contradicts {at}={self.name}: use {at}=feature")

    @property
    def teaches(self) -> bool:
        """Whether there is a teacher."""
        return self.name != "none"
