"""Images per second of training on a device: the rows to measure, and how each is measured."""

import copy
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import torch
from loops import Round, bare_step, num_warmup, our_loop, plain_loop
from made_up_images import MadeUpImages

from compression.config.compose import compose_run
from compression.run.context import Context, make_context

MODELS = ("resnet18", "mobilenet_v2")
PLAIN, OURS = "plain", "ours"
# The loop people write is slow, so fewer of its images are timed.
_PLAIN_IMAGES, _IMAGES, _TINY_IMAGES = 10_240, 40_960, 64
_BF16 = torch.bfloat16


def _float32(context: Context, num_batches: int) -> Round:
    return our_loop(replace(context, machine=replace(context.machine, precision="32-true")), num_batches)


def _not_deterministic(context: Context, num_batches: int) -> Round:
    config = copy.copy(context.config)
    config.trainer = replace(config.trainer, deterministic=False)
    return our_loop(replace(context, config=config), num_batches)


# In the order of their importance: time may run out. Compiling a network takes longest, so it comes last.
KINDS: tuple[dict[str, Callable[[Context, int], Round]], ...] = (
    {
        PLAIN: plain_loop,
        OURS: our_loop,
        "ours, trainer.deterministic=false": _not_deterministic,
        "bare, bf16, channels_last": partial(bare_step, dtype=_BF16),
    },
    {
        "ours, trainer.precision=32-true": _float32,
        "bare, float32": partial(bare_step, memory_format=torch.contiguous_format),
        "bare, bf16": partial(bare_step, dtype=_BF16, memory_format=torch.contiguous_format),
        "bare, bf16, channels_last, cudnn.benchmark": partial(bare_step, dtype=_BF16),
    },
    {
        "bare, bf16, channels_last, CUDA graphs": partial(bare_step, dtype=_BF16, compile_mode="reduce-overhead"),
        "bare, bf16, channels_last, compiled": partial(bare_step, dtype=_BF16, compile_mode="default"),
    },
)


@dataclass(frozen=True)
class Row:
    """One number to measure: a network at a batch size, trained by a loop of ``kind``."""

    model: str
    batch: int
    kind: str

    @property
    def name(self) -> str:
        """The key of the row in the results."""
        return f"{self.model}, batch {self.batch}, {self.kind}"


def list_rows(models: Sequence[str], *, tiny: bool) -> list[Row]:
    """Return the rows of ``models`` in the order in which they are measured; for a dry run a few, none compiled."""
    batches, groups = ((16,), KINDS[:1]) if tiny else ((512, 1024, 128), KINDS)
    return [Row(model, batch, kind) for group in groups for batch in batches for model in models for kind in group]


def measure_row(row: Row, *, device: str, data: str | None, tiny: bool, scratch: Path) -> dict[str, Any]:
    """Return images per second of wall time: the median of all rounds, the smallest and the largest."""
    context = _make_context(row.model, row.batch, device=device, data=data, tiny=tiny, scratch=scratch)
    rounds = 1 if tiny else 3
    images = _TINY_IMAGES if tiny else _PLAIN_IMAGES if row.kind == PLAIN else _IMAGES
    in_epoch = len(context.data.train_batches()) - num_warmup(context.machine.device)
    num_batches = max(1, min(images // row.batch, in_epoch))
    make = next(group[row.kind] for group in KINDS if row.kind in group)
    # A training of ours sets these for the complete process.
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.benchmark = "cudnn.benchmark" in row.kind
    torch.compiler.reset()
    loop = make(context, num_batches)
    speeds = sorted(num_batches * row.batch / loop().wall for _ in range(rounds))
    return {
        "images_per_second": statistics.median(speeds),
        "smallest": speeds[0],
        "largest": speeds[-1],
        "rounds": rounds,
        "batches": num_batches,
        "precision": context.machine.precision if row.kind == OURS else None,
    }


# The kinds of one network and batch size follow each other. The images of only one context stay on the device.
@lru_cache(maxsize=1)
def _make_context(model: str, batch: int, *, device: str, data: str | None, tiny: bool, scratch: Path) -> Context:
    settings = ["data=digits"] if data is None else ["data=image_folder", f"data.root={data}"]
    size = ["model.width_mult=0.125", "data.image_size=8", "threads=1"] if tiny else []
    config, run_dir = compose_run(
        [
            *(*settings, f"data.batch_size={batch}", "data.stem=cifar", f"model={model}", *size),
            *("strategy=none", "logger=csv", f"output_dir={scratch}", f"trainer.accelerator={device}"),
        ]
    )
    made_up = data is None and not tiny
    return make_context(config, run_dir, MadeUpImages(batch_size=batch) if made_up else None)
