"""The first check of a network: one small run of everything that later stages will do with it, before any training.

Families of this package pass every check in its tests, so only networks of others are checked. What passed is
remembered, so a second run starts at once.
"""

import logging
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from compression.config.schema import STAGES
from compression.core.adapted_network import find_class
from compression.core.channels_last import to_channels_last_
from compression.core.errors import InputError
from compression.core.file_names import WEIGHTS
from compression.core.selection import PRUNABLE
from compression.core.shared_tensors import find_aliases
from compression.core.text import shorten
from compression.core.tracing import copy_network
from compression.models.network_traits import UNSUITABLE
from compression.models.registry import is_own_family
from compression.run.building.configured_loss import make_label_loss
from compression.run.building.network_files import save_tensors
from compression.run.check_memory import CheckMemory
from compression.run.checks.check_files import check_files
from compression.run.checks.network_errors import as_input_error, check_logits, describe_kind, small_batch
from compression.run.context import Context

log = logging.getLogger(__name__)

# Small networks are checked so quickly that a line about it would only be noise.
_NOTABLE_SECONDS = 3.0


def check_network(context: Context, model: nn.Module) -> None:
    """Raise ``InputError`` if a later stage cannot handle ``model``, a new network of ``context``; log its traits.

    Runs a step of training, copies it, writes it and reads it again, and exports it, as far as ``until`` goes.
    """
    if is_own_family(context.architecture["target"]):
        return
    exports = reaches(context, "export")
    config = context.config
    changed = config.strategy.prunes or config.quantizes
    inputs = {"exports": exports, "changed": changed, "storage": context.config.storage.fold_bn}
    memory = CheckMemory("network", {**context.network_identity, **inputs})
    remembered = memory.recall()
    if remembered is None:
        started = time.perf_counter()
        _check_layers(context, model, changed=changed)
        notes = _describe(context, model)
        _check_training(context, model)
        _check_storing(context, model)
        if exports:
            check_files(context, model.eval())
        seconds = time.perf_counter() - started
        if seconds > _NOTABLE_SECONDS:
            log.info("check  the network passed in %.0f s; later runs of it skip this", seconds)
        remembered = {"notes": notes}
        memory.remember(remembered)
    for note in remembered.get("notes", ()):
        log.info("check  %s", note)


def reaches(context: Context, stage: str) -> bool:
    """Return whether the run of ``context`` includes ``stage``, or ends after it."""
    return STAGES.index(context.config.until) >= STAGES.index(stage)


def _describe(context: Context, model: nn.Module) -> list[str]:
    """Return a line about each trait that the user should know of."""
    target, traits = context.config.model["_target_"], context.traits
    notes = []
    raw = _raw_output(model, context.example())
    if not isinstance(raw, Tensor):
        notes.append(f"{target} returns {describe_kind(raw)}; its logits are the field logits, or the first tensor")
    if traits.contiguous:
        notes.append(f"{target} does not run on channels_last memory, so it is trained in contiguous memory")
    if traits.idle:
        notes.append(
            f"layers that never run in evaluation are neither pruned nor counted: {shorten(traits.idle, limit=4)}"
        )
    pairs = [f"{alias} is {name}" for alias, name in _find_pairs(model).items()]
    if pairs:
        notes.append(f"shared tensors are stored once, and their layers keep float weights: {shorten(pairs, limit=4)}")
    return notes


def _find_pairs(model: nn.Module) -> dict[str, str]:
    first: dict[int, str] = {}
    pairs = {}
    for name, value in model.named_parameters(remove_duplicate=False):
        if first.setdefault(id(value), name) != name:
            pairs[name] = first[id(value)]
    return pairs or find_aliases(model)


def _raw_output(model: nn.Module, images: Tensor) -> Any:
    """Return the output of the network itself in training mode, where it may have auxiliary ones."""
    cls = find_class(model)
    copied = copy_network(model).train()
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        try:
            return cls.forward(copied, images)
        except UNSUITABLE:
            # The check of training reports it.
            return images


def _check_layers(context: Context, model: nn.Module, *, changed: bool) -> None:
    """Raise ``InputError`` for weights that are computed from other tensors, if these weights would be changed."""
    target = context.config.model["_target_"]
    for name, module in model.named_modules():
        if not isinstance(module, PRUNABLE) or "weight" in module._parameters:
            continue
        names = [key for key, _ in module.named_parameters() if "weight" in key]
        if "weight_mask" in module._buffers:
            raise InputError(
                f"model {target}: layer {name} is masked by torch.nn.utils.prune, so its weight is no parameter; call "
                "torch.nn.utils.prune.remove(layer, 'weight') before the network is returned"
            )
        if changed:
            raise InputError(
                f"model {target}: the weight of layer {name} is computed from {', '.join(names)}, so it cannot be "
                "pruned or quantized; remove weight_norm or the other parametrization, or use strategy=none bits=32"
            )


def _check_training(context: Context, model: nn.Module) -> None:
    """Run one step of training and one of validation as the stages do."""
    size, target = context.data.image_size, context.config.model["_target_"]
    images, labels = small_batch(context)
    advice = "auxiliary classifiers often need larger images" if size < 128 else "the forward must accept such images"
    with (
        torch.random.fork_rng(devices=[]),
        as_input_error(context, f"does not train on data.image_size={size}", advice=advice),
    ):
        to_channels_last_(model)
        logits = model.train()(images)
        check_logits(context, logits)
        loss = make_label_loss(context)(logits.float(), labels)
        loss.backward()
        with torch.no_grad():
            check_logits(context, model.eval()(images))
    if not torch.isfinite(loss):
        raise InputError(
            f"model {target}: the loss of the untrained network on random images is {loss.item()}; must be finite: "
            "look for a division by zero or a logarithm of zero in its forward"
        )
    copy_network(model)
    model.zero_grad(set_to_none=True)


def _check_storing(context: Context, model: nn.Module) -> None:
    """Write the tensors as stages do, and load them into a new network."""
    advice = "every tensor of the state dict must be dense, and the same for every network that is built"
    with tempfile.TemporaryDirectory() as folder, as_input_error(context, "cannot be stored", advice=advice):
        save_tensors(model.state_dict(), Path(folder) / WEIGHTS)
        context.build_model(pretrained=False).load_state_dict(load_file(Path(folder) / WEIGHTS))
