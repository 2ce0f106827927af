import pytest
import torch
from torch import nn

from compression.core.errors import InputError
from compression.distillation.concatenations import find_narrower_part


class Net(nn.Module):
    """Three convolutions of ``sizes`` channels and a function of their outputs."""

    def __init__(self, join, *sizes):
        super().__init__()
        self.join = join
        self.a, self.b, self.c = (nn.Sequential(nn.Conv2d(3, size, 1), nn.BatchNorm2d(size)) for size in sizes)

    def forward(self, images):
        return self.join((self.a(images), self.b(images), self.c(images)))


def find(join, student, teacher):
    return find_narrower_part(Net(join, *student), Net(join, *teacher).state_dict())


JOINS = {
    "cat": lambda maps: torch.cat(maps[:2], 1),
    "by name": lambda maps: torch.concat(tensors=maps[:2], dim=-3),
    "after other operations": lambda maps: torch.cat([torch.relu(maps[0]).mul(2)[:, :, 1:], maps[1][:, :, 1:]], 1),
    "hstack": lambda maps: torch.hstack(maps[:2]),
    "vectors": lambda maps: torch.cat([maps[0].mean((2, 3)), maps[1].mean((2, 3))], -1),
    "parts": lambda maps: torch.cat(maps[0].chunk(2, 1), 1),
}


@pytest.mark.parametrize("case", JOINS)
def test_a_narrower_layer_is_found(case):
    found = find(JOINS[case], (4, 4, 4), (8, 8, 8))
    assert found is not None
    assert found[1] == "a.1"
    assert find(JOINS[case], (8, 8, 4), (8, 8, 8)) is None


def test_the_layer_in_the_middle_counts_and_the_last_does_not():
    def join(maps):
        return torch.cat(maps, 1)

    assert find(join, (8, 4, 8), (8, 8, 8)) == ("cat", "b.1")
    assert find(join, (8, 8, 4), (8, 8, 8)) is None


FREE = {
    "rows": lambda maps: torch.cat(maps, 2),
    "columns": lambda maps: torch.cat(maps, dim=-1),
    "images": lambda maps: torch.cat(maps),
    "a sum": lambda maps: maps[0] + maps[1],
    "other inputs": lambda maps: torch.cat(maps[1:], 1) + maps[0].mean(),
    "sizes": lambda maps: torch.cat([maps[1].expand(maps[0].shape[0], -1, -1, -1), maps[2]], 1) + maps[0].mean(),
}


@pytest.mark.parametrize("case", FREE)
def test_other_operations_do_not_count(case):
    assert find(FREE[case], (4, 8, 8), (8, 8, 8)) is None


def test_a_student_that_cannot_be_traced_is_refused():
    with pytest.raises(InputError, match="Net cannot be traced"):
        find(lambda maps: maps[0] if maps[0].sum() > 0 else maps[1], (4, 4, 4), (8, 8, 8))
