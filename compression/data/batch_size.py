"""Finds the largest batch that fits, for ``data.batch_size=auto``."""

import copy

import psutil
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.functional import cross_entropy

# Fewer updates than this in an epoch learn little, however well the batch fits.
MIN_UPDATES = 8

# Gradients, two moments of AdamW and a copy of the best weights stand beside the activations.
_COPIES_BESIDE = 4


def find_batch_size(
    model: nn.Module,
    *,
    image_size: int,
    num_classes: int,
    num_images: int,
    device: torch.device | str,
    limit: int = 1024,
) -> int:
    """Return the largest power of two that trains in memory, at most ``limit`` and ``num_images / 8``.

    On CUDA by trying a float32 forward and backward pass; on the CPU by counting the activations saved for
    the backward pass against half of the machine's memory. Never below 2. ``model`` and the random state
    stay as they are.
    """
    device = torch.device(device)
    largest = _floor_power_of_two(min(limit, num_images // MIN_UPDATES))
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        trial = copy.deepcopy(model).to(device).train()
        if device.type == "cuda":
            return _try_down(trial, image_size, num_classes, device, largest)
        per_image = measure_saved_bytes(trial, image_size=image_size, num_classes=num_classes)
        return min(largest, _floor_power_of_two(psutil.virtual_memory().total // 2 // per_image))


def measure_saved_bytes(model: nn.Module, *, image_size: int, num_classes: int) -> int:
    """Return the bytes of activations per image that a forward pass keeps for the backward pass (CPU)."""
    small, large = (_count_saved(model, image_size, num_classes, num_images) for num_images in (2, 4))
    return max((large - small) // 2, 1)


def _count_saved(model: nn.Module, image_size: int, num_classes: int, num_images: int) -> int:
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    held: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        held.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = _compute_loss(model, image_size, num_classes, num_images, torch.device("cpu"))
    total = sum(tensor.untyped_storage().nbytes() for pointer, tensor in held.items() if pointer not in own)
    del loss
    return total


def _compute_loss(model: nn.Module, image_size: int, num_classes: int, num_images: int, device: torch.device) -> Tensor:
    images = torch.zeros(num_images, 3, image_size, image_size, device=device)
    labels = torch.arange(num_images, device=device) % num_classes
    return cross_entropy(model(images), labels)


def _try_down(model: nn.Module, image_size: int, num_classes: int, device: torch.device, largest: int) -> int:
    weights = sum(parameter.nbytes for parameter in model.parameters())
    batch_size = largest
    while batch_size > 2:
        try:
            beside = torch.empty(_COPIES_BESIDE * weights, dtype=torch.uint8, device=device)
            _compute_loss(model, image_size, num_classes, batch_size, device).backward()
            del beside
            return batch_size
        except torch.cuda.OutOfMemoryError:
            batch_size //= 2
        finally:
            model.zero_grad(set_to_none=True)
            torch.cuda.empty_cache()
    return batch_size


def _floor_power_of_two(value: int) -> int:
    return 1 << max(value.bit_length() - 1, 1)
