"""Tests that compacted networks compute the same as masked ones."""

import copy

import pytest
import torch
import torchvision
from concatenated_net import Concatenated
from contract_net import make_net, randomize_batch_norm_
from torch import nn
from torch.nn.functional import cross_entropy

from compression.core.batch_norm import reestimate_batch_norm_
from compression.core.counting import count_parameters
from compression.core.errors import InputError
from compression.core.masks import MaskSet
from compression.core.seeding import make_generator
from compression.core.selection import prunable_weights
from compression.core.widths import fit_widths_
from compression.models.mobilenet_v2 import mobilenet_v2
from compression.models.resnet18 import resnet18
from compression.models.vgg11 import vgg11
from compression.pruning.allocations.uniform import Uniform
from compression.pruning.compaction import compact
from compression.pruning.criteria.random import random_scores
from compression.pruning.granularities.channels import Channels

SMALL = torch.zeros(2, 3, 8, 8)
IMAGES = torch.zeros(2, 3, 32, 32)
MODELS = {
    "mobilenet_v2": lambda: mobilenet_v2(num_classes=10, width_mult=0.5),
    "resnet18": lambda: resnet18(num_classes=10, width_mult=0.5),
    "vgg11": lambda: vgg11(num_classes=10, width_mult=0.5),
    "efficientnet_b0": lambda: torchvision.models.efficientnet_b0(num_classes=10),
    "densenet": lambda: torchvision.models.DenseNet(16, (2, 3), 32, num_classes=10),
    "contract": make_net,
}
# The last two of 120 million weights, and of 121 layers.
LARGE = {
    "whole resnet18": lambda: resnet18(num_classes=10),
    "whole vgg11": lambda: vgg11(num_classes=10),
    "vgg11 with three linear layers": lambda: vgg11(num_classes=10, head="torchvision"),
    "densenet121": lambda: torchvision.models.densenet121(num_classes=10),
}


def prune_channels_(model, example, amount=0.5):
    """Mask random channels, so that removed and kept ones are in any order."""
    generator = make_generator("channels")
    randomize_batch_norm_(model, generator)
    units = Channels().units(model, example=example, target="channels", protected=frozenset())
    scores = units.reduce({name: random_scores(w, generator) for name, w in prunable_weights(model).items()})
    num_kept = units.count(scores, amount=amount, final=amount, allocation=Uniform())
    masks = MaskSet(units.masks(scores, num_kept))
    masks.mask_weights_(model)
    # With statistics from nowhere the deep ones lose the image on its way, and would agree whatever was removed.
    images = torch.randn(16, *example.shape[1:], generator=generator)
    reestimate_batch_norm_(model, [(images, torch.zeros(16))], 1)
    for norm in model.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_var.mul_(torch.rand(norm.running_var.shape, generator=generator) + 0.5)
            norm.running_mean.add_(torch.rand(norm.running_mean.shape, generator=generator), alpha=0.1)
    return num_kept


def check(make_model):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = make_model().eval()
    num_kept = prune_channels_(model, IMAGES)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    compacted = compact(model, IMAGES)
    assert {name: new for name, (_, new) in compacted.channels.items()} == {
        name: num_kept[name] for name in compacted.channels
    }
    assert compacted.channels
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    small = compacted.model
    images = torch.randn(4, 3, 32, 32, generator=make_generator("images"))
    with torch.no_grad():
        expected, actual = model(images), small(images)
    assert (expected - actual).abs().max() <= 1e-5 * expected.abs().max()
    assert expected.std(0).max() > 1e-3 * expected.abs().max()
    assert compacted.difference <= 1e-5

    state = small.state_dict()
    fresh = fit_widths_(make_model(), {name: list(value.shape) for name, value in state.items()})
    fresh.load_state_dict(state)
    with torch.no_grad():
        assert torch.equal(fresh.eval()(images), actual)


@pytest.mark.parametrize("make_model", MODELS.values(), ids=MODELS)
def test_masked_compacted_and_refitted_networks_agree(make_model):
    check(make_model)


@pytest.mark.slow
@pytest.mark.parametrize("make_model", LARGE.values(), ids=LARGE)
def test_masked_compacted_and_refitted_large_networks_agree(make_model):
    check(make_model)


def make_chain():
    """Return a network: layers 0, 3 and 5 have 16, 16 and 8 channels, and a shifting batch norm follows the first."""
    with torch.random.fork_rng(devices=[]):
        model = nn.Sequential(
            nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.Conv2d(16, 16, 3, padding=1, bias=False),
            nn.ReLU(), nn.Conv2d(16, 8, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4),
        )  # fmt: skip
    randomize_batch_norm_(model, make_generator(0))
    return model.eval()


@torch.no_grad()
def zero_(model, name, rows=slice(None), columns=slice(None)):
    model.get_parameter(name)[rows, columns] = 0


def test_single_weights_that_happen_to_empty_all_readers():
    model = make_chain()
    zero_(model, "3.weight", columns=slice(3, 11))
    compacted = compact(model, SMALL)
    assert compacted.channels == {"0": (16, 8)}
    kept = [0, 1, 2, 11, 12, 13, 14, 15]
    assert torch.equal(compacted.model[0].weight, model[0].weight[kept])
    assert torch.equal(compacted.model[1].running_var, model[1].running_var[kept])
    assert torch.equal(compacted.model[3].weight, model[3].weight[:, kept])


def test_a_constant_channel_that_is_read_stays():
    """Batch norm makes the channel constant, but a padded convolution sees its border."""
    model = make_chain()
    zero_(model, "0.weight", rows=slice(0, 8))
    assert compact(model, SMALL).channels == {}


def test_channels_read_only_by_removed_channels_are_removed():
    """The last layer does not read half of the second layer. Without it, half of the first layer has no reader."""
    model = make_chain()
    zero_(model, "5.weight", columns=slice(0, 8))
    zero_(model, "3.weight", rows=slice(8, 16), columns=slice(0, 8))
    compacted = compact(model, SMALL)
    assert compacted.channels == {"3": (16, 8), "0": (16, 8)}
    assert count_parameters(compacted.model) < count_parameters(model)


@pytest.mark.parametrize(("unread", "round_to", "left"), [(9, 8, 8), (7, 8, 16), (9, 1, 7), (9, 4, 8), (10, 5, 10)])
def test_the_number_of_kept_channels_is_rounded_up(unread, round_to, left):
    model = make_chain()
    zero_(model, "3.weight", columns=slice(0, unread))
    channels = compact(model, SMALL, round_to=round_to).channels
    assert channels == ({"0": (16, left)} if left < 16 else {})


@pytest.mark.parametrize(("round_to", "left"), [(8, 8), (1, 1)])
def test_one_block_of_channels_always_stays(round_to, left):
    model = make_chain()
    zero_(model, "3.weight")
    compacted = compact(model, SMALL, round_to=round_to)
    assert compacted.channels["0"] == (16, left)
    assert compacted.model(SMALL).shape == (2, 4)


def test_a_dense_network_is_copied():
    model = make_chain()
    compacted = compact(model, SMALL)
    assert (compacted.channels, compacted.difference) == ({}, 0)
    assert compacted.model is not model
    assert not {id(p) for p in model.parameters()} & {id(p) for p in compacted.model.parameters()}


def test_the_compacted_network_can_be_trained():
    model = make_net()
    prune_channels_(model, SMALL)
    small = compact(model.train(), SMALL).model
    assert all(module.training for module in small.modules())
    assert all(parameter.requires_grad for parameter in small.parameters())
    norms = [sum(isinstance(m, nn.BatchNorm2d) for m in net.modules()) for net in (model, small)]
    assert norms[0] == norms[1] == 5
    before = copy.deepcopy(small.state_dict())
    optimizer = torch.optim.SGD(small.parameters(), lr=0.1)
    images = torch.randn(4, 3, 8, 8, generator=make_generator("images"))
    cross_entropy(small(images), torch.tensor([0, 1, 2, 3])).backward()
    optimizer.step()
    assert all(not torch.equal(before[name], value) for name, value in small.state_dict().items())


@pytest.mark.parametrize(
    ("name", "layer"),
    [("vit_b_16", "the model itself is a VisionTransformer"), ("convnext_tiny", r"features\.0\.1 is a LayerNorm2d")],
)
def test_layers_that_prevent_safe_removal_are_named(name, layer):
    with torch.device("meta"):
        model = getattr(torchvision.models, name)()
    with pytest.raises(InputError, match=f"^channels of this model cannot be removed safely: {layer}; allowed: "):
        compact(model, torch.zeros(1, 3, 224, 224, device="meta"))


class Reshaping(nn.Module):
    """A network with a hard-coded number of channels in ``shape``, or one that mixes channels untraceably."""

    def __init__(self, shape):
        super().__init__()
        self.shape, self.first, self.last = shape, nn.Conv2d(3, 16, 1), nn.Conv2d(16, 4, 1)

    def forward(self, x):
        x = self.first(x)
        return self.last(x.softmax(1) if self.shape is None else x.view(self.shape)).mean((2, 3))


@pytest.mark.parametrize(
    ("shape", "reason"),
    [((-1, 16, 8, 8), "it does not run: .+"), (None, r"its logits differ by .+ of the largest; .+")],
    ids=["shape in the code", "softmax over channels"],
)
def test_networks_with_hard_coded_or_mixed_channels_are_refused(shape, reason):
    model = Reshaping(shape)
    with torch.no_grad():
        model.last.weight[:, :8] = 0
    with pytest.raises(InputError, match=rf"^channels of this model cannot be removed safely: without them {reason}$"):
        compact(model, torch.zeros(2, 3, 8, 8))


@pytest.mark.parametrize(("kept", "left"), [((0, 1, 2, 3), 5), ((4, 5, 6, 7), 5), ((0, 2, 4, 6), 4), ((), 2)])
def test_every_layer_of_a_concatenation_keeps_a_channel(kept, left):
    model = Concatenated()
    units = Channels(round_to=1).units(model, example=SMALL, target="channels", protected=frozenset())
    both, end = units.groups
    masks = {both: torch.tensor([channel in kept for channel in range(8)]), end: torch.ones(8, dtype=torch.bool)}
    MaskSet(units.masks_of(masks)).mask_weights_(model)
    small = compact(model, SMALL, round_to=1)
    assert small.channels == {both: (8, left)}
    assert small.difference < 1e-6
