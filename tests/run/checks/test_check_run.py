import sys

import pytest
from checks import check_command, refusal


def test_the_error_about_a_student_names_the_students_key(tmp_path):
    student = "distillation=logit distillation/student=custom distillation.student._target_=odd_nets.TwoOutputs"
    message = refusal(tmp_path, *student.split(), "strategy=none")
    assert message.startswith("distillation.student")


@pytest.mark.parametrize("given", ["nowhere.safetensors", "nowhere.cmp"])
def test_missing_given_weights_are_refused(tmp_path, given):
    assert refusal(tmp_path, f"model.weights={given}") == f"model.weights={given}: no such file"


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime", "tensorboard"])
def test_a_missing_package_of_a_later_stage_is_refused(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    assert refusal(tmp_path, "strategy=none").startswith(f"{package} is not installed: pip install ")


def test_a_complete_configuration_passes(tmp_path):
    check_command(tmp_path, "strategy=oneshot_l1", "weight_bits=8", "activation_bits=8", "distillation=logit")
