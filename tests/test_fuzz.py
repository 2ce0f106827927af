"""Files from strangers: whatever is done to an artifact, it gives one clear error, or tensors; never anything else."""

import copy
import random
from pathlib import Path

import pytest
import torch
from mutations import mutate
from torch import nn

from compression.artifact import load_artifact, save_artifact
from compression.commands.inspect import inspect_file
from compression.commands.storage import compare_storage
from compression.core.container import read_container, write_container
from compression.core.errors import ArtifactError, InputError
from compression.models.mobilenet_v2 import mobilenet_v2
from compression.quantization.graph import trace
from compression.quantization.integer_network import integer_network, integer_state
from compression.quantization.network import make_plan, quantizable_layers
from compression.quantization.plan import Bits
from compression.quantization.post_training import Calibration, quantized
from compression.storage.registry import CODECS

NUM_MUTATIONS = 250
GOLDEN = Path(__file__).parent / "golden" / "v2"
ABOUT = {
    "architecture": {
        "target": "compression.models.mobilenet_v2.mobilenet_v2",
        "kwargs": {"width_mult": 0.1},
        "num_classes": 3,
    },
    "class_names": ["a", "b", "c"],
    "input": {"size": 16, "mean": [0.5] * 3, "std": [0.25] * 3},
}


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    model = mobilenet_v2(num_classes=3, width_mult=0.1)
    model(torch.randn(4, 3, 16, 16))
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim > 1:
                parameter.mul_(torch.rand_like(parameter) > 0.8)
    return model.eval()


@pytest.fixture(scope="module")
def integers(network):
    from compression.quantization.observers.min_max import MinMax

    plan = make_plan(network, {name: Bits(6, 8) for name in quantizable_layers(network)}, activation_bits=8)
    batches = [(torch.randn(4, 3, 16, 16), torch.zeros(4))]
    made = quantized(network, plan, Calibration(MinMax, MinMax, num_batches=1), batches)
    found = integer_network(trace(network), plan)
    found.load_state_dict(integer_state(made.network, plan))
    return found.eval(), plan


def check(path, damaged, repaired, expected):
    """Load a damaged file: one line of the one error, or the tensors; without a repaired checksum the right ones."""
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


@pytest.mark.parametrize("codec", ["auto", *CODECS])
def test_mutated_files(tmp_path, network, codec):
    path = tmp_path / "model.cmp"
    save_artifact(path, network, **ABOUT, codec=codec)
    data, expected = path.read_bytes(), load_artifact(path).model.state_dict()
    rng = random.Random(f"float {codec}")
    for _ in range(NUM_MUTATIONS // 5):
        damaged, repaired = mutate(data, rng)
        check(path, damaged, repaired, expected)


@pytest.mark.parametrize("codec", ["auto", "ans", "context"])
def test_mutated_files_of_integers(tmp_path, integers, codec):
    path = tmp_path / "model.cmp"
    model, plan = integers
    save_artifact(path, model, **ABOUT, codec=codec, plan=plan)
    data, expected = path.read_bytes(), load_artifact(path).model.state_dict()
    rng = random.Random(f"integers {codec}")
    for _ in range(NUM_MUTATIONS // 5):
        damaged, repaired = mutate(data, rng)
        check(path, damaged, repaired, expected)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("features.0.0.weight", lambda value: value.clamp(max=0) + 32, r"integers from .* to 32; allowed: -31 to 31"),
        ("features.0.0.weight_scale", lambda value: value * 0, "a scale that is no finite number above 0"),
        ("features.0.0.weight_scale", lambda value: value * float("nan"), "a scale that is no finite number above 0"),
    ],
)
def test_integers_and_scales_that_no_plan_allows(tmp_path, integers, name, change, message):
    model, plan = copy.deepcopy(integers[0]), integers[1]
    model.load_state_dict(model.state_dict() | {name: change(model.state_dict()[name])})
    save_artifact(tmp_path / "model.cmp", model, **ABOUT, plan=plan)
    with pytest.raises(ArtifactError, match=message):
        load_artifact(tmp_path / "model.cmp")


HUGE_NUMBER = 10**400


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda header: header["input"]["mean"].__setitem__(0, HUGE_NUMBER), "mean=.* allowed: 3 finite numbers"),
        (lambda header: header["input"]["std"].__setitem__(0, HUGE_NUMBER), "std=.* allowed: 3 finite numbers"),
        (lambda header: header["architecture"].update({"a\nb": 1}), "unexpected keyword argument 'a b'"),
        (lambda header: header["quantization"]["activations"].__setitem__(0, "\ud800"), r"no activation \\ud800"),
    ],
    ids=["mean", "std", "key", "activation"],
)
def test_lies_that_were_no_clear_error(tmp_path, change, message):
    path = tmp_path / "model.cmp"
    header, sections = read_container(GOLDEN / "integers.cmp")
    change(header)
    path.write_bytes(write_container(header, sections=sections))
    with pytest.raises(ArtifactError, match=message) as caught:
        load_artifact(path)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("noted", [HUGE_NUMBER, -5, 0, True, "many"])
def test_sizes_that_cannot_be_are_not_compared_with(tmp_path, noted):
    path = tmp_path / "model.cmp"
    header, sections = read_container(GOLDEN / "integers.cmp")
    header["info"]["dense_bytes"] = noted
    path.write_bytes(write_container(header, sections=sections))
    assert "the same tensors, safetensors" in inspect_file(path)


def test_what_inspect_shows_of_a_file_can_be_shown(tmp_path):
    path = tmp_path / "model.cmp"
    header, sections = read_container(GOLDEN / "integers.cmp")
    header["class_names"][0] = "\x1b[2J\n\ud800"
    path.write_bytes(write_container(header, sections=sections))
    text = inspect_file(path)
    assert "\\x1b[2J\\n\\ud800" in text
    assert all(line.isprintable() for line in text.split("\n"))


def test_codecs_are_not_compared_on_no_weights(tmp_path):
    path = tmp_path / "model.cmp"
    save_artifact(path, nn.BatchNorm2d(3), **ABOUT)
    with pytest.raises(InputError, match="no weights to compare codecs on"):
        compare_storage(path, picture=tmp_path / "picture.png")
