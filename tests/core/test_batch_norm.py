import pytest
import torch
import torchvision
from torch import nn

from compression.core.batch_norm import following_batch_norms, reestimate_batch_norm_


def make_batches(count=4, size=5):
    generator = torch.Generator().manual_seed(0)
    return [(torch.randn(size, 3, 4, 4, generator=generator) * (1 + k), torch.zeros(size)) for k in range(count)]


def make_net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Dropout(0.5), nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, momentum=0.3), nn.Dropout(0.5))


def test_by_hand():
    norm = nn.BatchNorm1d(1)
    batches = [(torch.tensor([[1.0], [3.0]]), None), (torch.tensor([[10.0], [16.0]]), None)]
    reestimate_batch_norm_(norm, batches, 2)
    # Means 2 and 13; unbiased variances 2 and 18.
    assert norm.running_mean.tolist() == [7.5]
    assert norm.running_var.tolist() == [10.0]


def test_equals_the_plain_average_over_batches():
    net, batches = make_net(), make_batches()
    reestimate_batch_norm_(net, batches, 3)
    with torch.no_grad():
        features = [net[1](images).transpose(0, 1).flatten(1) for images, _ in batches[:3]]
    mean = torch.stack([f.mean(1) for f in features]).mean(0)
    variance = torch.stack([f.var(1, correction=1) for f in features]).mean(0)
    torch.testing.assert_close(net[2].running_mean, mean)
    torch.testing.assert_close(net[2].running_var, variance)


def test_old_statistics_leave_no_trace():
    stale, fresh = make_net(), make_net()
    with torch.no_grad():
        stale[2].running_mean.fill_(1e6)
        stale[2].running_var.fill_(1e6)
        stale[2].num_batches_tracked.fill_(1000)
    for net in (stale, fresh):
        reestimate_batch_norm_(net, make_batches(), 4)
    assert all(torch.equal(stale.state_dict()[name], value) for name, value in fresh.state_dict().items())


def test_a_layer_sees_the_batch_statistics_of_the_one_before():
    first, second = nn.BatchNorm2d(3), nn.BatchNorm2d(3)
    reestimate_batch_norm_(nn.Sequential(first, second), make_batches(), 4)
    torch.testing.assert_close(second.running_mean, torch.zeros(3), atol=1e-6, rtol=0)
    torch.testing.assert_close(second.running_var, torch.full((3,), 80 / 79), atol=1e-3, rtol=0)


@pytest.mark.parametrize("mode", [True, False])
def test_nothing_else_changes(mode):
    net = make_net().train(mode)
    net[0].train(not mode)
    flags = [module.training for module in net.modules()]
    parameters = [parameter.clone() for parameter in net.parameters()]
    random_state = torch.get_rng_state()
    reestimate_batch_norm_(net, make_batches(), 4)
    assert [module.training for module in net.modules()] == flags
    assert net[2].momentum == 0.3
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), parameters, strict=True))
    assert all(parameter.grad is None and parameter.requires_grad for parameter in net.parameters())


def test_modes_and_momentum_are_restored_after_an_error():
    net = make_net()
    net[0].eval()
    flags = [module.training for module in net.modules()]
    with pytest.raises(RuntimeError, match="channels"):
        reestimate_batch_norm_(net, [*make_batches(1), (torch.zeros(2, 5, 4, 4), None)], 2)
    assert [module.training for module in net.modules()] == flags
    assert net[2].momentum == 0.3


def test_only_the_first_batches_are_read():
    read = []

    def batches():
        for images, labels in make_batches():
            read.append(len(images))
            yield images, labels

    reestimate_batch_norm_(make_net(), batches(), 2)
    assert read == [5, 5]


def test_fewer_batches_than_requested_are_averaged():
    few, exact = make_net(), make_net()
    reestimate_batch_norm_(few, make_batches(2), 10)
    reestimate_batch_norm_(exact, make_batches(2), 2)
    assert torch.equal(few[2].running_var, exact[2].running_var)


@pytest.mark.parametrize(
    ("net", "num_batches"),
    [
        (make_net(), 0),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4)), 4),
        (nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False)), 4),
    ],
    ids=["no batches", "no batch norm", "no running statistics"],
)
def test_nothing_to_do_reads_nothing(net, num_batches):
    before = {name: value.clone() for name, value in net.state_dict().items()}
    reestimate_batch_norm_(net, iter(()), num_batches)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


EXAMPLE = torch.zeros(1, 3, 32, 32)


def found(model, example=EXAMPLE):
    """Return weight names and the names of the batch norms that follow them."""
    names = {module: name for name, module in model.named_modules()}
    return {weight: names[norm] for weight, norm in following_batch_norms(model, example).items()}


def test_literals():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU(), nn.BatchNorm2d(4),
        nn.Flatten(), nn.Linear(4 * 28 * 28, 5), nn.BatchNorm1d(5), nn.Linear(5, 2),
    )  # fmt: skip
    assert found(model) == {"0.weight": "1", "7.weight": "8"}


@pytest.mark.parametrize("inplace", [False, True])
def test_an_activation_between_layer_and_norm_breaks_the_link(inplace):
    """An in-place activation passes on the same tensor object as the convolution."""
    assert found(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(inplace=inplace), nn.BatchNorm2d(4))) == {}


def test_normalization_before_the_convolution_does_not_follow():
    assert found(nn.Sequential(nn.BatchNorm2d(3), nn.Conv2d(3, 3, 3), nn.GELU())) == {}


def test_without_batch_norm():
    assert found(nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4))) == {}


def test_resnet():
    """All 20 convolutions count, shortcuts included, in whatever order the modules were created."""
    names = found(torchvision.models.resnet18())
    assert len(names) == 20
    assert names["conv1.weight"] == "bn1"
    assert names["layer2.0.conv2.weight"] == "layer2.0.bn2"
    assert names["layer2.0.downsample.0.weight"] == "layer2.0.downsample.1"


def test_densenet():
    """A dense layer normalizes its input; its second norm follows its first convolution."""
    names = found(torchvision.models.DenseNet(growth_rate=4, block_config=(2, 2), num_init_features=8))
    assert names["features.conv0.weight"] == "features.norm0"
    block = "features.denseblock1.denselayer1"
    assert names[f"{block}.conv1.weight"] == f"{block}.norm2"
    assert f"{block}.conv2.weight" not in names
    assert "features.transition1.conv.weight" not in names
    assert len(names) == 1 + 4


def test_the_model_is_left_as_it_was():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
    model[2].eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random_state = torch.get_rng_state()
    assert found(model) == {"0.weight": "1"}
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model] == [True, True, False]
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model)


def test_the_model_is_left_as_it_was_after_an_error():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    with pytest.raises(RuntimeError):
        following_batch_norms(model, torch.zeros(1, 5, 8, 8))
    assert model.training
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model)
