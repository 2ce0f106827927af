"""Networks whose channels cannot be removed are refused, if only a comparison shows it."""

import pytest
import torch
import torchvision
from torch import nn

from compression.core.errors import InputError
from compression.pruning.compaction import compact


@pytest.mark.parametrize(
    ("name", "layer"),
    [("vit_b_16", "the model itself is a VisionTransformer"), ("convnext_tiny", r"features\.0\.1 is a LayerNorm2d")],
)
def test_networks_that_are_not_followed_are_refused_by_name(name, layer):
    with torch.device("meta"):
        model = getattr(torchvision.models, name)()
    with pytest.raises(InputError, match=f"^channels of this model cannot be removed safely: {layer}; allowed: "):
        compact(model, torch.zeros(1, 3, 224, 224, device="meta"))


class Reshaping(nn.Module):
    """Reads a number of channels from its code, in ``shape``, or mixes channels in a way that is not followed."""

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
def test_networks_that_need_their_channels_in_other_ways_are_refused(shape, reason):
    model = Reshaping(shape)
    with torch.no_grad():
        model.last.weight[:, :8] = 0
    with pytest.raises(InputError, match=rf"^channels of this model cannot be removed safely: without them {reason}$"):
        compact(model, torch.zeros(2, 3, 8, 8))
