import pytest
import torch
from runs import WIDE, compose_config

from compression.core.errors import InputError
from compression.run.checks.network_errors import as_input_error, check_logits, describe_kind, small_batch
from compression.run.context import make_context


@pytest.fixture
def context(tmp_path):
    return make_context(compose_config(*WIDE, f"output_dir={tmp_path}"), tmp_path / "run")


def test_an_error_names_model_reason_place_and_advice(context):
    with pytest.raises(InputError) as caught, as_input_error(context, "cannot fly", advice="give it wings"):
        raise KeyError("wings")
    line = str(caught.value)
    assert line.startswith("model tiny_net.TinyNet cannot fly: 'wings' (test_network_errors.py, line ")
    assert line.endswith("); give it wings")


def test_the_deepest_cause_is_the_reason(context):
    with (
        pytest.raises(InputError, match="cannot fly: no feathers;"),
        as_input_error(context, "cannot fly", advice="walk"),
    ):
        raise RuntimeError("a long report") from OSError("no feathers\nat all")


def test_an_input_error_needs_no_advice(context):
    with pytest.raises(InputError) as caught, as_input_error(context, "cannot fly", advice="give it wings"):
        raise InputError("key=1: must be 2")
    assert str(caught.value) == "model tiny_net.TinyNet cannot fly: key=1: must be 2"


def test_the_batch_is_two_images_in_channels_last(context):
    images, labels = small_batch(context)
    assert images.shape == (2, 3, 32, 32)
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert labels.tolist() == [0, 1]


def test_logits_must_be_floats_of_one_row_per_image(context):
    check_logits(context, torch.zeros(2, 10))
    for wrong in (torch.zeros(2, 9), torch.zeros(2, 10, dtype=torch.long), None, {"a": 1}):
        with pytest.raises(InputError, match=r"must be .*logits, \[2, 10\]"):
            check_logits(context, wrong)
    assert describe_kind({"a": 1, "b": 2}) == "dict (a, b)"
    assert describe_kind((1,)) == "tuple"
