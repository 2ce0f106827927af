"""Tests of weights inherited by a narrower student, against slices written out by hand."""

import pytest
import torch
from torch import nn

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
