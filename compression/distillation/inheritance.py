"""Initialization of a narrower student with weights of its teacher (weight subcloning, arXiv:2312.09299)."""

import torch
from torch import Tensor, nn

from compression.core.errors import InputError
from compression.distillation.concatenations import find_narrower_part


def check_inheritance(student: nn.Module, teacher: nn.Module) -> None:
    """Raise ``InputError`` naming the first tensor of ``student`` that does not fit into the teacher's.

    A tensor fits if the teacher has one of the same name, dtype and number of dimensions that is at least as large in
    every dimension. A student does not fit either if it concatenates channels after those of a narrower layer, or if
    it is narrower and cannot be traced.
    """
    given = teacher.state_dict()
    for name, tensor in student.state_dict().items():
        if name not in given or not _fits(tensor, given[name]):
            found = f"{_show(given[name])} in the teacher" if name in given else "absent from the teacher"
            raise InputError(
                f"distillation.inherit_weights=true needs a student that is its teacher with fewer channels: {name} is "
                f"{_show(tensor)} in the student and {found}"
            )
    if all(tensor.shape == given[name].shape for name, tensor in student.state_dict().items()):
        return
    try:
        narrower = find_narrower_part(student, given)
    except InputError as error:
        raise InputError(f"distillation.inherit_weights=true has to follow the student's channels: {error}") from error
    if narrower is not None:
        join, layer = narrower
        raise InputError(
            f"distillation.inherit_weights=true contradicts a student that concatenates narrower layers: {join} puts "
            f"channels after those of {layer}, which has fewer than in the teacher; allowed: only the last of the "
            "concatenated layers narrower, or distillation.inherit_weights=false"
        )


@torch.no_grad()
def inherit_weights_(student: nn.Module, teacher: nn.Module) -> None:
    """Fill every tensor of ``student`` with the leading part of the teacher's tensor of the same name.

    ``student[i_1, ..., i_d] = teacher[i_1, ..., i_d]``: the student gets the first channels of each layer and the
    weights between them, so channels that are added still match. Those that are concatenated after a narrower layer
    would not, so such a student is refused. The paper first sorts channels by importance, which requires the groups of
    coupled channels; here they stay in the teacher's order. Raises ``InputError`` if the two networks do not fit.
    """
    check_inheritance(student, teacher)
    given = teacher.state_dict()
    for name, tensor in student.state_dict().items():
        tensor.copy_(given[name][tuple(slice(size) for size in tensor.shape)])


def _fits(mine: Tensor, its: Tensor) -> bool:
    return (
        mine.dtype == its.dtype
        and mine.ndim == its.ndim
        and all(size <= whole for size, whole in zip(mine.shape, its.shape, strict=True))
    )


def _show(tensor: Tensor) -> str:
    return f"{tensor.dtype} {list(tensor.shape)}".removeprefix("torch.")
