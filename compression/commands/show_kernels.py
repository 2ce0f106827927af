"""The command ``kernels``: the first filters of several runs or files in one labelled picture, the dense ones first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from compression.artifact import read_contents
from compression.commands.compared_file import open_file
from compression.core.errors import InputError
from compression.core.file_names import ARTIFACT, DENSE_WEIGHTS
from compression.core.model_card import ModelCard
from compression.core.tracing import trace
from compression.quantization.network.batch_norm_folding import fold_batch_norms_
from compression.quantization.plan import Plan, describe_arithmetic
from compression.reporting.figures import save_figure
from compression.reporting.figures.filters import draw_kernels
from compression.reporting.figures.style import shorten

# Names of the files in a run's folder.
# Characters that fit above a grid.
_LONGEST = 44


@dataclass(frozen=True)
class Kernels:
    """The first convolution of a file: ``weight`` [O, I, kH, kW] as its network computes with it."""

    path: Path
    card: ModelCard
    layer: str
    weight: Tensor


def draw_kernels_of(paths: Sequence[Path], *, output: Path, allow: Sequence[str], max_bytes: int | None) -> list[str]:
    """Write the picture of runs' folders or ``.cmp`` files to ``output``; return a line per grid.

    The dense model is the ``dense.safetensors`` beside the first file; if that file has its batch norm folded, the
    dense one is folded too, so that both have the same scale. ``allow`` names the packages that its architecture may
    be imported from. Raises InputError for files without a convolution, or with different first layers.
    """
    files = [_find_file(path) for path in paths]
    read = [_read_kernels(file, max_bytes=max_bytes) for file in files]
    dense = _read_dense(read, allow=allow, max_bytes=max_bytes)
    for one in read:
        if one.weight.shape[1:] != dense.shape[1:]:
            raise InputError(
                f"{one.path}: its first filters are {_size(one.weight)}; allowed: {_size(dense)}, as in {read[0].path}"
            )
    captions = _name_all(read)
    title = f"{read[0].layer}: the dense model and {len(read)} compressed {'model' if len(read) == 1 else 'models'}"
    others = [(caption, one.weight) for caption, one in zip(captions, read, strict=True)]
    save_figure(draw_kernels(dense, others=others, title=title), output)
    return [f"{caption}: {one.path}" for caption, one in zip(captions, read, strict=True)]


def _find_file(path: Path) -> Path:
    file = path / ARTIFACT if path.is_dir() else path
    if not file.is_file():
        raise InputError(f"{file} does not exist; allowed: folders of runs, and {ARTIFACT} files")
    return file


def _read_kernels(file: Path, *, max_bytes: int | None) -> Kernels:
    contents = read_contents(file)
    state = contents.decode(max_bytes=max_bytes)
    name = next((name for name, value in state.items() if name.endswith("weight") and value.dim() == 4), None)
    if name is None:
        raise InputError(f"{file} has no convolution of images; allowed: networks with one")
    return Kernels(file, contents.card, name, _dequantize(state, name))


def _dequantize(state: Mapping[str, Tensor], name: str) -> Tensor:
    weight, scale = state[name], state.get(f"{name}_scale")
    return weight.float() if scale is None else weight.float() * scale.float().reshape(-1, 1, 1, 1)


def _read_dense(read: Sequence[Kernels], *, allow: Sequence[str], max_bytes: int | None) -> Tensor:
    first = read[0]
    file = next((one.path.parent / DENSE_WEIGHTS for one in read if (one.path.parent / DENSE_WEIGHTS).is_file()), None)
    if file is None:
        raise InputError(f"no {DENSE_WEIGHTS} beside {first.path}: give the folder of a run first")
    model = open_file(file, allow=allow, max_bytes=max_bytes).artifact.model
    if first.card.architecture.folded or first.card.quantization is not None:
        model = _fold(model)
    return next(value for value in _list_weights(model) if value.dim() == 4)


def _fold(model: nn.Module) -> nn.Module:
    graph = trace(model.eval())
    fold_batch_norms_(graph)
    return graph


def _list_weights(model: nn.Module) -> list[Tensor]:
    return [value.detach() for name, value in model.state_dict().items() if name.endswith("weight")]


def _name_all(read: Sequence[Kernels]) -> list[str]:
    """Return a caption of each file: strategy, sparsity and bits; the place instead, where two have the same."""
    captions = [_name(one.card) for one in read]
    return [
        shorten(str(one.path), limit=_LONGEST) if captions.count(caption) > 1 else caption
        for caption, one in zip(captions, read, strict=True)
    ]


def _name(card: ModelCard) -> str:
    strategy, sparsity = card.info.get("strategy"), card.info.get("sparsity")
    parts = [str(strategy)[:_LONGEST] if strategy else "compressed"]
    if type(sparsity) is float:
        parts[0] += f" at {100 * sparsity:.1f} % sparsity"
    if card.quantization is not None:
        parts.append(describe_arithmetic(Plan.from_json(card.quantization)).split(",")[0])
    return ", ".join(parts)


def _size(weight: Tensor) -> str:
    return "x".join(map(str, torch.Size(weight.shape[1:])))
