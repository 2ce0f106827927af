"""Script that writes golden files of the current format, and their expected tensors, into tests/golden/vVERSION.

usage: PYTHONPATH=.:tests/support python tests/golden/make.py [--overwrite | --codec NAME | --network NAME]

Never write the files of a released format again. They stand for files that people have, and the tests require every
later version to read them. When the format version rises, this script writes new files into a new folder. A codec, or
a kind of network, that is new within a version gets a new file: ``--codec NAME`` or ``--network NAME`` writes it.
``--overwrite`` is for a format that is not yet committed.

- ``pruned.cmp``: a pruned and compacted network in floating point, batch norm folded, codec auto
- ``integers.cmp``: the same network in integers; weights have 6 bits, in two layers 4 bits, and activations 8 bits
- ``priced.cmp``: the same, but weights, scales and biases are rounded by storage cost
- ``codecs.cmp``: no network, but tensors of every type with every codec; ``codecs-NAME.cmp`` has a later codec

Each file has a ``.safetensors`` file with its tensors, and for networks with ``logits`` of ``narrow_vgg.make_images``.
The file for codecs.cmp has each tensor once: NAME for every CODEC.NAME.
"""

import sys
from collections.abc import Mapping
from pathlib import Path

import torch
from narrow_vgg import ABOUT, make_images, make_integers, make_narrow_vgg
from safetensors.torch import save_file
from torch import Tensor, nn

from compression.artifact import SECTION, save_artifact
from compression.core.container import FORMAT_VERSION, write_container
from compression.core.model_card import Architecture, InputSpec, ModelCard
from compression.core.seeding import make_generator
from compression.core.tracing import trace
from compression.quantization.network.batch_norm_folding import fold_batch_norms_
from compression.storage.blocks import pack_state, table_to_json
from compression.storage.codec_registry import CODECS

LOGITS = "logits"
# Networks in integers, and the prices of a bit that they were rounded with.
INTEGERS = {"integers": 0.0, "priced": 0.01}


def main(folder: Path, *, overwrite: bool) -> None:
    """Write all files; exit with one line if the folder exists already."""
    if folder.exists() and not overwrite:
        sys.exit(f"{folder} exists: golden files are not remade")
    folder.mkdir(exist_ok=True)
    write_pruned(folder / "pruned.cmp")
    for name in INTEGERS:
        write_integers(folder / f"{name}.cmp")
    write_codecs(folder / "codecs.cmp", tuple(CODECS))


def add_codec(folder: Path, name: str) -> None:
    """Write the file of a codec that the folder has none of; exit with one line if it has or there is no such codec."""
    path = folder / f"codecs-{name}.cmp"
    if name not in CODECS or path.exists():
        sys.exit(f"{name}: must be a registered codec without {path}")
    write_codecs(path, (name,))


def add_network(folder: Path, name: str) -> None:
    """Write the file of a network in integers that the folder has none of; exit with one line otherwise."""
    path = folder / f"{name}.cmp"
    if name not in INTEGERS or path.exists():
        sys.exit(f"{name}: must be one of {', '.join(INTEGERS)} without {path}")
    write_integers(path)


def write_pruned(path: Path) -> None:
    """Write the network in floating point, and the expected tensors."""
    model = make_narrow_vgg()
    save_artifact(path, model, **ABOUT, fold_bn=True)
    folded = trace(model)
    fold_batch_norms_(folded)
    save_expected(path.with_suffix(".safetensors"), folded.state_dict(), logits_of(model))


def write_integers(path: Path) -> None:
    """Write the network in integers that the file is named after, and the expected tensors."""
    integers, plan = make_integers(make_narrow_vgg(), rdoq_lambda=INTEGERS[path.stem])
    save_artifact(path, integers, **ABOUT, plan=plan)
    save_expected(path.with_suffix(".safetensors"), integers.state_dict(), logits_of(integers))


def write_codecs(path: Path, codecs: tuple[str, ...]) -> None:
    """Write tensors of every type with each of ``codecs``, and the expected tensors."""
    tensors = make_tensors()
    blocks, parts = [], []
    for codec in codecs:
        own, part = pack_state({f"{codec}.{name}": value for name, value in tensors.items()}, codec=codec)
        blocks += own
        parts.append(part)
    card = ModelCard(
        architecture=Architecture(**ABOUT["architecture"]),
        class_names=ABOUT["class_names"],
        input=InputSpec(**ABOUT["input"]),
        info={},
    )
    header = {**card.to_json(), SECTION: table_to_json(blocks)}
    path.write_bytes(write_container(header, sections={SECTION: b"".join(parts)}))
    save_expected(path.with_suffix(".safetensors"), tensors, {})


def make_tensors() -> dict[str, Tensor]:
    """Return small tensors of every type, with the shapes that codecs treat differently."""
    generator = make_generator("golden")
    normal = torch.randn(6, 5, 3, 3, generator=generator)
    sparse = normal * (torch.rand(normal.shape, generator=generator) > 0.7)
    return {
        "integers": (sparse * 8).round().clamp(-31, 31).to(torch.int8),
        "dense_integers": (normal[0] * 40).round().clamp(-128, 127).to(torch.int8),
        "floats": sparse[:2, :, 0],
        "half": sparse[0, :, 1].half(),
        "bfloat": sparse[1, :, 1].bfloat16(),
        "double": sparse[2, :2, 1].double(),
        "vector": torch.tensor([0.0, float("inf"), -1.5, 2.0**-140, 0.0]),
        "int16": torch.tensor([-32768, 0, 7], dtype=torch.int16),
        "int32": torch.tensor([0, 0, 2**31 - 1], dtype=torch.int32),
        "bytes": torch.tensor([[0, 255, 1]], dtype=torch.uint8),
        "flags": torch.tensor([[True, False, False]]),
        "count": torch.tensor(12),
        "zeros": torch.zeros(4, 4),
        "nothing": torch.zeros(0, 3),
    }


@torch.inference_mode()
def logits_of(model: nn.Module) -> dict[str, Tensor]:
    """Return the logits of the fixed images."""
    return {LOGITS: model(make_images())}


def save_expected(path: Path, state: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors. -0.0 becomes 0.0, as in an artifact."""
    plain = {name: value.masked_fill(value == 0, 0) for name, value in state.items()}
    save_file({**plain, **outputs}, path)


if __name__ == "__main__":
    current = Path(__file__).parent / f"v{FORMAT_VERSION}"
    if sys.argv[1:2] == ["--codec"]:
        add_codec(current, sys.argv[2])
    elif sys.argv[1:2] == ["--network"]:
        add_network(current, sys.argv[2])
    else:
        main(current, overwrite=sys.argv[1:] == ["--overwrite"])
