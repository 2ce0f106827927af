"""Files from strangers: whatever is done to an artifact, it gives one clear error, or tensors; never anything else."""

import copy
import random

import pytest
import torch
from mutations import mutate

from compression.artifact import load_artifact, save_artifact
from compression.core.errors import ArtifactError, InputError
from compression.models.mobilenet_v2 import mobilenet_v2
from compression.quantization.graph import trace
from compression.quantization.integer_network import integer_network, integer_state
from compression.quantization.network import make_plan, quantizable_layers
from compression.quantization.plan import Bits
from compression.quantization.post_training import Calibration, quantized
from compression.storage.registry import CODECS

NUM_MUTATIONS = 250
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
