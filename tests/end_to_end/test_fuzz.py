"""Damaged and hostile artifacts: loading gives one clear error or tensors, and never anything else."""

import copy
import random
from pathlib import Path

import pytest
import torch
from mutations import mutate
from narrow_vgg import ABOUT, make_integers, make_narrow_vgg
from torch import nn

from compression.artifact import load_artifact, save_artifact
from compression.commands.compare_codecs import compare_storage
from compression.commands.inspect_model import inspect_file
from compression.core.container import read_container, write_container
from compression.core.errors import ArtifactError, InputError
from compression.models.mobilenet_v2 import mobilenet_v2
from compression.storage.codec_registry import CODECS

# `experiments/storage/fuzz` is the long version. Here every codec meets each kind of damage a few times.
NUM_MUTATIONS = 50
GOLDEN = Path(__file__).parents[1] / "golden" / "v2"
MOBILENET = ABOUT | {
    "architecture": {
        "target": "compression.models.mobilenet_v2.mobilenet_v2",
        "kwargs": {"width_mult": 0.01},
        "num_classes": 3,
    }
}


@pytest.fixture(scope="module")
def network():
    return make_narrow_vgg()


@pytest.fixture(scope="module")
def integers(network):
    return make_integers(network)


@pytest.fixture(scope="module")
def mobilenet():
    torch.manual_seed(0)
    model = mobilenet_v2(num_classes=3, width_mult=0.01)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(torch.rand_like(parameter) > 0.8)
    return model.eval()


def check(path, damaged, repaired, expected):
    """Load a damaged file: it raises an ``InputError`` of one line or gives tensors.

    Without repaired checksums, the tensors must be equal to ``expected``.
    """
    path.write_bytes(damaged)
    message = None
    try:
        state = load_artifact(path).model.state_dict()
    except InputError as error:
        message = str(error)
    if message is not None:
        assert message
        assert "\n" not in message
        return
    if not repaired:
        assert state.keys() == expected.keys()
        assert all(torch.equal(state[name], expected[name]) for name in expected)


def check_mutations(path, *, seed, num=NUM_MUTATIONS):
    data, expected = path.read_bytes(), load_artifact(path).model.state_dict()
    rng = random.Random(seed)
    for _ in range(num):
        damaged, repaired = mutate(data, rng)
        check(path, damaged, repaired, expected)


@pytest.mark.parametrize("codec", ["auto", *CODECS])
def test_mutated_files_give_one_error_or_the_tensors(tmp_path, network, codec):
    path = tmp_path / "model.cmp"
    save_artifact(path, network, **ABOUT, codec=codec)
    check_mutations(path, seed=f"float {codec}")


@pytest.mark.parametrize(
    "codec", ["auto", *(pytest.param(codec, marks=pytest.mark.slow) for codec in ("ans", "context"))]
)
def test_mutated_integer_files_give_one_error_or_the_tensors(tmp_path, integers, codec):
    path = tmp_path / "model.cmp"
    model, plan = integers
    save_artifact(path, model, **ABOUT, codec=codec, plan=plan)
    check_mutations(path, seed=f"integers {codec}")


def test_mutated_files_with_vectors_on_grids_give_one_error_or_the_tensors(tmp_path, network):
    path = tmp_path / "model.cmp"
    model, plan = make_integers(network, rdoq_lambda=0.01)
    save_artifact(path, model, **ABOUT, plan=plan)
    check_mutations(path, seed="priced")


@pytest.mark.slow
def test_mutated_residual_networks_give_one_error_or_the_tensors(tmp_path, mobilenet):
    path = tmp_path / "model.cmp"
    save_artifact(path, mobilenet, **MOBILENET)
    check_mutations(path, seed="residual", num=20)


@pytest.mark.slow
def test_mutated_integer_residual_networks_give_one_error_or_the_tensors(tmp_path, mobilenet):
    path = tmp_path / "model.cmp"
    model, plan = make_integers(mobilenet)
    save_artifact(path, model, **MOBILENET, plan=plan)
    check_mutations(path, seed="residual integers")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("features.0.weight", lambda value: value.clamp(max=0) + 32, r"integers from .* to 32; allowed: -31 to 31"),
        ("features.0.weight_scale", lambda value: value * 0, "a scale that is not a finite number above 0"),
        ("features.0.weight_scale", lambda value: value * float("nan"), "a scale that is not a finite number above 0"),
    ],
)
def test_integers_and_scales_outside_the_plan_are_refused(tmp_path, integers, name, change, message):
    model, plan = copy.deepcopy(integers[0]), integers[1]
    model.load_state_dict(model.state_dict() | {name: change(model.state_dict()[name])})
    save_artifact(tmp_path / "model.cmp", model, **ABOUT, plan=plan)
    with pytest.raises(ArtifactError, match=message):
        load_artifact(tmp_path / "model.cmp")


HUGE_NUMBER = 10**400


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda header: header["input"]["mean"].__setitem__(0, HUGE_NUMBER),
            r"input\.mean\[0\]=10+\.\.\.0+: must be ",
        ),
        (
            lambda header: header["input"]["std"].__setitem__(0, HUGE_NUMBER),
            r"input\.std\[0\]=10+\.\.\.0+: must be ",
        ),
        (lambda header: header["architecture"].update({"a\nb": 1}), "architecture.a b is not a known key"),
        (lambda header: header["quantization"]["activations"].__setitem__(0, "\ud800"), r"no activation \\ud800"),
    ],
    ids=["mean", "std", "key", "activation"],
)
def test_wrong_header_values_give_one_printable_error(tmp_path, change, message):
    path = tmp_path / "model.cmp"
    header, sections = read_container(GOLDEN / "integers.cmp")
    change(header)
    path.write_bytes(write_container(header, sections=sections))
    with pytest.raises(ArtifactError, match=message) as caught:
        load_artifact(path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("noted", [HUGE_NUMBER, -5, 0, True, "many"])
def test_impossible_dense_sizes_are_ignored(tmp_path, noted):
    path = tmp_path / "model.cmp"
    header, sections = read_container(GOLDEN / "integers.cmp")
    header["info"]["dense_bytes"] = noted
    path.write_bytes(write_container(header, sections=sections))
    assert "the same tensors, safetensors" in inspect_file(path)


def test_inspect_prints_only_printable_characters(tmp_path):
    path = tmp_path / "model.cmp"
    header, sections = read_container(GOLDEN / "integers.cmp")
    header["class_names"][0] = "\x1b[2J\n\ud800"
    path.write_bytes(write_container(header, sections=sections))
    text = inspect_file(path)
    assert "\\x1b[2J\\n\\ud800" in text
    assert all(line.isprintable() for line in text.split("\n"))


def test_codecs_are_not_compared_without_weights(tmp_path):
    path = tmp_path / "model.cmp"
    save_artifact(path, nn.BatchNorm2d(3), **ABOUT)
    with pytest.raises(InputError, match="no weights to compare codecs on"):
        compare_storage(path, picture=tmp_path / "picture.png")
