import pytest
import torch
from torch import nn

from compression.quantization.repairs.patches import draw_positions, num_positions, outputs_at, patches_at

LAYERS = [
    (nn.Conv2d(4, 6, 3, padding=1), (2, 4, 5, 7)),
    (nn.Conv2d(4, 6, (3, 2), stride=(2, 3), padding=(2, 1), dilation=(1, 2)), (2, 4, 9, 11)),
    (nn.Conv2d(4, 8, 3, groups=4, padding="same"), (2, 4, 5, 5)),
    (nn.Conv2d(4, 6, 2, groups=2), (2, 4, 5, 5)),
    (nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), (2, 4, 9)),
    (nn.Linear(4, 6), (2, 4)),
    (nn.Linear(4, 6), (2, 3, 5, 4)),
]


@pytest.mark.parametrize(("layer", "shape"), LAYERS, ids=[str(layer) for layer, _ in LAYERS])
def test_a_patch_times_the_weight_is_the_output_at_its_position(layer, shape):
    images = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        output = layer(images)
        drawn = draw_positions(2, num_positions(layer, output), wanted=3, generator=torch.Generator().manual_seed(1))
        patches = patches_at(layer, images, drawn, output=output)
        groups = patches.shape[2]
        weight = layer.weight.flatten(1).view(groups, -1, patches.shape[3])
        products = torch.einsum("bpgk,gok->bpgo", patches, weight).flatten(2) + layer.bias
    torch.testing.assert_close(products, outputs_at(layer, output, drawn), rtol=1e-4, atol=1e-5)


def test_positions_are_all_or_distinct_random_ones():
    generator = torch.Generator().manual_seed(0)
    assert draw_positions(2, 3, wanted=3, generator=generator).tolist() == [[0, 1, 2], [0, 1, 2]]
    drawn = draw_positions(50, 9, wanted=4, generator=generator)
    assert drawn.shape == (50, 4)
    assert all(len(set(row)) == 4 for row in drawn.tolist())
    assert set(drawn.flatten().tolist()) == set(range(9))
