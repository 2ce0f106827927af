"""A training whose smaller images do not fit the network is refused before it begins."""

import pytest
import torch
from checks import check_command, refusal
from teachers import STUDENT, write_artifact
from user_nets import OneSize

HALF = "training.first_size=0.5"


def network(name):
    return "model=custom", f"model._target_=user_nets.{name}"


def test_a_network_that_takes_all_sizes_is_accepted(tmp_path):
    check_command(tmp_path, "model=mobilenet_v2", HALF)


@pytest.mark.parametrize(("name", "size"), [("OneSize", 16), ("Multiples", 20), ("LargeInTraining", 16)])
def test_a_network_that_cannot_be_trained_on_a_size_is_refused_with_it(tmp_path, name, size):
    message = refusal(tmp_path, *network(name), HALF, "until=dense")
    begin = f"model user_nets.{name} does not train on {size} pixels, which training.first_size=0.5 leads to: "
    assert message.startswith(begin)
    assert message.endswith("; training.first_size must be larger, or 1")


def test_a_network_that_is_not_trained_may_have_one_size(tmp_path):
    weights = tmp_path / "weights.pt"
    torch.save(OneSize(num_classes=10).state_dict(), weights)
    check_command(tmp_path, *network("OneSize"), HALF, f"model.weights={weights}", "until=dense")


def test_a_given_teacher_that_does_not_take_the_small_images_of_its_student_is_refused(tmp_path):
    teacher = tmp_path / "teacher.cmp"
    write_artifact(teacher, OneSize(num_classes=10), target="user_nets.OneSize")
    given = f"distillation.teacher={teacher}"
    words = [*network("Views"), *STUDENT.split(), "distillation=logit", given, "strategy=none"]
    check_command(tmp_path, *words)
    message = refusal(tmp_path, *words, HALF)
    begin = f"distillation.teacher={teacher} does not run on 16 pixels, which training.first_size=0.5 leads to: "
    assert message.startswith(begin)
