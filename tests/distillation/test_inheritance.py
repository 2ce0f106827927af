"""Tests of weights inherited by a narrower student, against slices written out by hand."""

import pytest
import torch
from torch import Tensor, nn

from compression.core.errors import InputError
from compression.distillation.inheritance import inherit_weights_
from compression.models.mobilenet_v2 import mobilenet_v2
from compression.models.resnet18 import resnet18


def test_leading_channels_by_hand():
    teacher, student = nn.Linear(3, 2), nn.Linear(2, 1)
    teacher.load_state_dict({"weight": torch.tensor([[1.0, 2, 3], [4, 5, 6]]), "bias": torch.tensor([7.0, 8])})
    inherit_weights_(student, teacher)
    assert student.weight.tolist() == [[1, 2]]
    assert student.bias.tolist() == [7]


def test_a_copy_of_the_same_width_computes_the_same():
    torch.manual_seed(0)
    teacher, student = (resnet18(num_classes=5, width_mult=0.25, stem="cifar").eval() for _ in range(2))
    inherit_weights_(student, teacher)
    images = torch.randn(2, 3, 16, 16)
    assert torch.equal(student(images), teacher(images))


@pytest.mark.parametrize("build", [mobilenet_v2, resnet18])
def test_narrower_models_of_every_family_can_inherit(build):
    teacher, student = build(num_classes=5), build(num_classes=5, width_mult=0.5)
    inherit_weights_(student, teacher)
    for name, value in student.state_dict().items():
        assert torch.equal(value, teacher.state_dict()[name][tuple(slice(size) for size in value.shape)]), name


def test_teacher_and_its_gradients_are_untouched():
    teacher, student = nn.Linear(3, 2), nn.Linear(2, 2)
    before = teacher.weight.clone()
    inherit_weights_(student, teacher)
    with torch.no_grad():
        student.weight.zero_()
    assert torch.equal(teacher.weight, before)
    assert student.weight.requires_grad


@pytest.mark.parametrize(
    ("student", "said"),
    [
        (nn.Linear(4, 2), r"weight is float32 \[2, 4\] in the student and float32 \[2, 3\] in the teacher"),
        (nn.Sequential(nn.Linear(3, 2)), r"0.weight is float32 \[2, 3\] in the student and absent from the teacher"),
        (nn.Linear(3, 2).double(), r"weight is float64 \[2, 3\] in the student and float32 \[2, 3\] in the teacher"),
    ],
)
def test_tensors_that_do_not_fit_are_named(student, said):
    with pytest.raises(InputError, match=said):
        inherit_weights_(student, nn.Linear(3, 2))


class Branches(nn.Module):
    """Two convolutions whose channels are concatenated."""

    def __init__(self, a, b):
        super().__init__()
        self.a, self.b, self.head = nn.Conv2d(3, a, 1), nn.Conv2d(3, b, 1), nn.Linear(a + b, 2)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(torch.cat([self.a(images), self.b(images)], 1).relu().mean((2, 3)))


def test_a_student_that_concatenates_narrower_layers_is_refused():
    with pytest.raises(InputError) as caught:
        inherit_weights_(Branches(4, 4), Branches(8, 8))
    assert str(caught.value) == (
        "distillation.inherit_weights=true contradicts a student that concatenates narrower layers: cat puts channels "
        "after those of a, which has fewer than in the teacher; allowed: only the last of the concatenated layers "
        "narrower, or distillation.inherit_weights=false"
    )


def test_the_layer_that_is_concatenated_last_may_be_narrower():
    """A teacher whose last channels are not read is copied exactly."""
    teacher, student = Branches(4, 8), Branches(4, 4)
    with torch.no_grad():
        teacher.head.weight[:, 8:] = 0
    inherit_weights_(student, teacher)
    images = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(student(images), teacher(images))


class Branching(nn.Linear):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images if images.sum() > 0 else -images)


def test_a_narrower_student_that_cannot_be_traced_is_refused():
    inherit_weights_(Branching(3, 2), Branching(3, 2))
    with pytest.raises(
        InputError,
        match=r"^distillation.inherit_weights=true has to follow the student's channels: model Branching cannot be",
    ):
        inherit_weights_(Branching(3, 1), Branching(3, 2))
