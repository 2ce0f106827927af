import pytest
import torch
from torch import nn

from compression.distillation.teacher import Teacher


def make_net():
    return nn.Sequential(nn.Conv2d(3, 2, 1), nn.BatchNorm2d(2), nn.Dropout(0.5), nn.Flatten())


def test_the_teacher_is_frozen():
    net = make_net()
    teacher = Teacher(net)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    images = torch.ones(2, 3, 4, 4, requires_grad=True)
    logits = teacher(images)
    assert torch.equal(logits, teacher(images))
    assert not logits.requires_grad
    assert not any(parameter.requires_grad for parameter in net.parameters())
    assert not any(module.training for module in net.modules())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


def test_the_teacher_is_not_a_submodule_of_its_holder():
    student = nn.Linear(2, 2)
    student.teacher = Teacher(make_net())
    assert list(student.state_dict()) == ["weight", "bias"]
    assert len(list(student.parameters())) == 2


def test_renormalized_by_hand():
    """A pixel of 0.7 is (0.7 - 0.5) / 0.2 = 1 for the student and (0.7 - 0.1) / 0.5 = 1.2 for the teacher."""
    teacher = Teacher(nn.Flatten())
    ours, its = ((0.5, 0.0, 0.0), (0.2, 1.0, 1.0)), ((0.1, 0.0, 1.0), (0.5, 2.0, 1.0))
    teacher.renormalize(ours=ours, its=its)
    images = torch.tensor([1.0, 3.0, 3.0]).view(1, 3, 1, 1)
    assert teacher(images).tolist()[0] == pytest.approx([1.2, 1.5, 2.0])


def test_equal_normalization_changes_no_bit():
    teacher = Teacher(nn.Flatten())
    numbers = ((0.1, 0.2, 0.3), (0.3, 0.7, 0.9))
    teacher.renormalize(ours=numbers, its=numbers)
    images = torch.randn(2, 3, 5, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(teacher(images), images.flatten(1))
