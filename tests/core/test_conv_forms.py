"""Exact forms compute what the convolution computes, and are chosen by shape alone."""

import copy
from itertools import product

import pytest
import torch
from torch import nn

from compression.core.conv_forms import FORMS, RowsConv2d, SumsConv2d, choose_forms, using_forms
from compression.models.mobilenet_v2 import mobilenet_v2


def outputs(conv: nn.Module, images: torch.Tensor) -> list[torch.Tensor]:
    """The output, and the gradients of image, weight and bias."""
    image = images.clone().requires_grad_()
    found = conv(image)
    found.backward(torch.linspace(-1, 1, found.numel(), dtype=found.dtype).view(found.shape))
    assert image.grad is not None
    return [found.detach(), image.grad, *(value.grad for value in conv.parameters() if value.grad is not None)]


def assert_same(conv: nn.Conv2d, form: str, images: torch.Tensor) -> None:
    other = copy.deepcopy(conv)
    with using_forms(nn.Sequential(other), {"0": form}):
        assert type(other) is FORMS[form]
        found = outputs(other, images)
    expected = outputs(conv, images)
    assert len(found) == len(expected)
    for one, two in zip(found, expected, strict=True):
        assert one.shape == two.shape
        assert torch.allclose(one, two, rtol=1e-10, atol=1e-12)


SIZES = [(1, 1), (2, 2), (1, 2), (2, 1), (3, 5)]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("size", SIZES)
def test_rows_are_the_convolution(size: tuple[int, int], bias: bool) -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(5, 7, 1, bias=bias).double()
    assert_same(conv, "rows", torch.randn(3, 5, *size, dtype=torch.float64))


@pytest.mark.parametrize(("kernel", "stride", "padding"), list(product([1, 2, 3, 5], [1, 2], [0, 1, 2])))
def test_sums_are_the_convolution(kernel: int, stride: int, padding: int) -> None:
    torch.manual_seed(0)
    for size, bias in product(SIZES, [False, True]):
        if min(size) + 2 * padding < kernel:
            continue
        conv = nn.Conv2d(6, 6, kernel, stride=stride, padding=padding, groups=6, bias=bias).double()
        assert_same(conv, "sums", torch.randn(3, 6, *size, dtype=torch.float64))


def test_sums_of_a_kernel_that_is_not_square() -> None:
    conv = nn.Conv2d(4, 4, (1, 3), stride=(1, 2), padding=(0, 1), groups=4).double()
    assert_same(conv, "sums", torch.randn(2, 4, 2, 2, dtype=torch.float64))


def test_the_sum_is_over_kernel_positions_inside_the_image() -> None:
    """By hand: on one pixel with a padding of 1, only the middle of a 3x3 kernel counts."""
    conv = SumsConv2d(2, 2, 3, padding=1, groups=2, bias=False)
    conv.weight.data = torch.arange(18.0).view(2, 1, 3, 3)
    found = conv(torch.tensor([1.0, 10.0]).view(1, 2, 1, 1))
    assert found.flatten().tolist() == [4.0, 130.0]


def chosen(conv: nn.Conv2d, pixels: int) -> str | None:
    return choose_forms(nn.Sequential(conv), torch.zeros(1, conv.in_channels, pixels, pixels)).get("0")


@pytest.mark.parametrize(
    ("conv", "size", "form"),
    [
        (nn.Conv2d(8, 4, 1), 1, "rows"),
        (nn.Conv2d(8, 4, 1), 2, None),
        (nn.Conv2d(8, 4, 1, padding=1), 1, None),
        (nn.Conv2d(8, 4, 1, stride=2), 1, None),
        (nn.Conv2d(8, 4, 1, groups=2), 1, None),
        (nn.Conv2d(8, 4, 3, padding=1), 1, None),
        (nn.Conv2d(8, 8, 3, padding=1, groups=8), 2, "sums"),
        (nn.Conv2d(8, 8, 3, padding=1, groups=8, stride=2), 2, "sums"),
        (nn.Conv2d(8, 8, 3, padding=1, groups=8), 3, None),
        (nn.Conv2d(8, 8, 3, padding=2, groups=8, dilation=2), 2, None),
        (nn.Conv2d(8, 8, 3, padding=1, groups=8, padding_mode="circular"), 2, None),
        (nn.Conv2d(8, 8, 3, padding="same", groups=8), 2, None),
        (nn.Conv2d(8, 16, 3, padding=1, groups=8), 2, None),
    ],
)
def test_the_form_depends_on_the_shape_alone(conv: nn.Conv2d, size: int, form: str | None) -> None:
    assert chosen(conv, size) == form


def test_a_convolution_that_runs_at_two_sizes_gets_the_form_of_the_larger() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 3, padding=1, groups=3)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.conv(images).mean() + self.conv(images[..., :2, :2]).mean()

    assert choose_forms(Twice(), torch.zeros(1, 3, 8, 8)) == {}
    assert choose_forms(Twice(), torch.zeros(1, 3, 2, 2)) == {"conv": "sums"}


def test_a_subclass_of_a_user_is_left_alone() -> None:
    class Own(nn.Conv2d):
        pass

    assert chosen(Own(8, 4, 1), 1) is None


def test_a_network_trains_as_before_and_is_left_as_it_was() -> None:
    torch.manual_seed(0)
    net = mobilenet_v2(num_classes=10, width_mult=0.25, dropout=0.0, stem="imagenet").double()
    images = torch.randn(4, 3, 32, 32, dtype=torch.float64)
    before = net.training
    forms = choose_forms(net, images)
    assert set(forms.values()) == {"rows", "sums"}
    assert net.training is before
    expected = outputs(copy.deepcopy(net), images)
    with using_forms(net, forms):
        found = outputs(net, images)
        assert any(type(module) is RowsConv2d for module in net.modules())
    assert all(torch.allclose(one, two, rtol=1e-8, atol=1e-10) for one, two in zip(found, expected, strict=True))
    assert not any(isinstance(module, (RowsConv2d, SumsConv2d)) for module in net.modules())


def test_an_error_within_leaves_the_network_as_it_was() -> None:
    net = nn.Sequential(nn.Conv2d(8, 4, 1))
    with pytest.raises(KeyError), using_forms(net, {"0": "rows"}):
        raise KeyError
    assert type(net[0]) is nn.Conv2d
