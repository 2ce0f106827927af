from types import SimpleNamespace

import pytest
import torch
from runs import WIDE, compose_config
from safetensors.torch import load_file
from trained_store import same, weights_of

from compression.quantization.network.integer_layers import IntegerLayer
from compression.run.building.network_files import (
    describe_architecture,
    is_compacted,
    load_network,
    plan_of,
    save_tensors,
)
from compression.run.context import make_context


@pytest.fixture
def context(tmp_path):
    return make_context(compose_config(*WIDE, f"output_dir={tmp_path}"), tmp_path / "run")


@pytest.mark.parametrize(
    ("command", "stage"),
    [
        ("until=dense", "dense"),
        ("strategy=oneshot_structured_l2 strategy.recovery.epochs=0 until=compact", "compact"),
        ("strategy=none bits=6 until=quantize", "quantize"),
    ],
)
def test_the_network_of_a_stage_is_read_back(context, shared, command, stage):
    made = shared(command)[stage]
    net = load_network(context, made)
    assert same(net.state_dict(), weights_of(made))
    assert is_compacted(made) == (stage == "compact")
    assert (plan_of(made) is not None) == (stage == "quantize")
    assert isinstance(net.get_submodule("classifier"), IntegerLayer) == (stage == "quantize")


def test_views_of_tensors_are_written_completely(tmp_path):
    base = torch.arange(6.0).reshape(2, 3)
    save_tensors({"weight": base.T.requires_grad_(), "row": base[1]}, tmp_path / "model.safetensors")
    read = weights_of(SimpleNamespace(path=tmp_path))
    assert read["weight"].tolist() == [[0.0, 3.0], [1.0, 4.0], [2.0, 5.0]]
    assert read["row"].tolist() == [3.0, 4.0, 5.0]


def test_an_architecture_is_described_as_plain_json(context):
    context.config.model["sizes"] = (1, 2)
    assert describe_architecture(context, compacted=True) == {
        "target": "tiny_net.TinyNet",
        "kwargs": {"width": 32, "sizes": [1, 2]},
        "num_classes": 10,
        "compacted": True,
    }


def test_tensors_that_share_memory_are_stored_apart(tmp_path):
    memory = torch.arange(6.0)
    state = {"all": memory, "part": memory[:3], "again": memory.view(2, 3)}
    save_tensors(state, tmp_path / "tensors.safetensors")
    assert same(load_file(tmp_path / "tensors.safetensors"), state)
