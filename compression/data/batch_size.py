"""Search for the largest batch size that fits in memory, for ``data.batch_size=auto``."""

import copy

import psutil
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.functional import cross_entropy

# With fewer updates per epoch than this a network learns little, even if the batch fits.
MIN_UPDATES = 8

# Memory besides activations, in copies of the weights: gradients, two moments of AdamW and the best weights so far.
_COPIES_BESIDE = 4

# Channels, height and width of an image.
Shape = tuple[int, int, int]


def find_batch_size(
    model: nn.Module,
    *,
    image_size: int,
    num_classes: int,
    num_images: int,
    device: torch.device | str,
    limit: int = 1024,
    channels: int = 3,
) -> int:
    """Return the largest power of two that fits in memory as batch size, at most ``limit`` and ``num_images / 8``.

    On CUDA the function tries a float32 forward and backward pass. On the CPU it compares the activations saved for
    the backward pass with half of the machine's memory. The result is at least 2. ``model`` and the random state do
    not change.
    """
    device = torch.device(device)
    largest = _floor_power_of_two(min(limit, num_images // MIN_UPDATES))
    cuda = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=cuda):
        trial = copy.deepcopy(model).to(device).train()
        if device.type == "cuda":
            return _try_down(trial, (channels, image_size, image_size), num_classes, device, largest)
        per_image = measure_saved_bytes(trial, image_size=image_size, num_classes=num_classes, channels=channels)
        return min(largest, _floor_power_of_two(psutil.virtual_memory().total // 2 // per_image))


def measure_saved_bytes(model: nn.Module, *, image_size: int, num_classes: int, channels: int = 3) -> int:
    """Return the bytes of activations per image that a forward pass on the CPU saves for the backward pass."""
    shape = channels, image_size, image_size
    small, large = (_count_saved(model, shape, num_classes, num_images) for num_images in (2, 4))
    return max((large - small) // 2, 1)


def _count_saved(model: nn.Module, shape: Shape, num_classes: int, num_images: int) -> int:
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    held: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        held.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = _compute_loss(model, shape, num_classes, num_images, torch.device("cpu"))
    total = sum(tensor.untyped_storage().nbytes() for pointer, tensor in held.items() if pointer not in own)
    del loss
    return total


def _compute_loss(model: nn.Module, shape: Shape, num_classes: int, num_images: int, device: torch.device) -> Tensor:
    images = torch.zeros(num_images, *shape, device=device)
    labels = torch.arange(num_images, device=device) % num_classes
    return cross_entropy(model(images), labels)


def _try_down(model: nn.Module, shape: Shape, num_classes: int, device: torch.device, largest: int) -> int:
    batch_size = largest
    while batch_size > 2:
        try:
            _try_step(model, shape, num_classes, batch_size, device)
            return batch_size
        except torch.cuda.OutOfMemoryError:
            batch_size //= 2
        finally:
            model.zero_grad(set_to_none=True)
            torch.cuda.empty_cache()
    return batch_size


def _try_step(model: nn.Module, shape: Shape, num_classes: int, batch_size: int, device: torch.device) -> None:
    # A separate function, so that what a trial holds is free before the next one.
    weights = sum(parameter.nbytes for parameter in model.parameters())
    beside = torch.empty(_COPIES_BESIDE * weights, dtype=torch.uint8, device=device)
    _compute_loss(model, shape, num_classes, batch_size, device).backward()
    del beside


def _floor_power_of_two(value: int) -> int:
    return 1 << max(value.bit_length() - 1, 1)
