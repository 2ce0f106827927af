import copy

import pytest
import torch
from integer_nets import plan_of, rounding, to_integers
from residual_net import TrainsDifferently
from torch import nn

from compression.core.errors import InputError
from compression.core.tracing import trace
from compression.quantization.network.batch_norm_folding import fold_batch_norms_
from compression.quantization.network.graph import is_never_negative


def test_only_non_negative_activations_are_unsigned(model):
    traced = trace(model)
    nodes = {node.name: node for node in traced.graph.nodes}
    never = [name for name, node in nodes.items() if is_never_negative(traced, node)]
    assert never == ["stem_2", "pool", "relu", "adaptive_avg_pool2d", "flatten", "dropout"]


def test_tracing_leaves_the_model_alone(model):
    before = copy.deepcopy(model.state_dict())
    fold_batch_norms_(trace(model))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert model.stem[2].inplace


def test_data_dependent_control_flow_is_refused():
    class Branching(nn.Module):
        def forward(self, images):
            return images if images.sum() > 0 else -images

    with pytest.raises(InputError, match="Branching cannot be traced"):
        trace(Branching())


def test_a_network_is_traced_in_evaluation_mode(batches):
    torch.manual_seed(0)
    model = TrainsDifferently().eval()
    images = batches[0][0]
    plan = plan_of(model)
    # A difference may be negative even if its terms are not.
    assert plan.activations["add"].signed
    expected = model(images)
    for training in (True, False):
        model.train(training)
        traced = trace(model).eval()
        torch.testing.assert_close(traced(images), expected)
    network = to_integers(model.train(), rounding(model, plan, batches), plan)
    assert torch.equal(network(images), network(images))


def test_a_tensor_of_the_network_may_be_negative():
    class Coordinates(nn.Module):
        def __init__(self):
            super().__init__()
            self.one, self.two = nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1)
            self.register_buffer("places", torch.linspace(-1, 1, 8).expand(2, 1, 8, 8).clone())

        def forward(self, images):
            maps = torch.relu(self.one(images)), torch.relu(self.two(images))
            return torch.cat([torch.cat(maps, 1), torch.cat([*maps, self.places], 1)], 1)

    traced = trace(Coordinates())
    never = [node.name for node in traced.graph.nodes if is_never_negative(traced, node)]
    assert never == ["relu", "relu_1", "cat"]
