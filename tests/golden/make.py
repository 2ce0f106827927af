"""Write the golden files of this version's format into tests/golden/vVERSION, with what must be read from them.

usage: PYTHONPATH=.:tests/support python tests/golden/make.py [--overwrite]

Never remake the files of a format that was in use: they stand for files that people have, and reading these for good
is what the tests ask of every later version. When the format version rises this script writes new ones beside them.
A codec that is new within a version is added as a new file. ``--overwrite`` is for a format not yet committed.

- ``pruned.cmp``: a pruned and compacted network in floating point, batch norm folded, codec auto
- ``integers.cmp``: the same in integers, weights of 6 and, in two layers, of 4 bits, activations of 8
- ``codecs.cmp``: no network: tensors of every type with every codec

Beside each lies ``.safetensors`` with the tensors, and for networks ``logits``, those of ``narrow_vgg.make_images``.
That of codecs.cmp has each tensor once: NAME for every CODEC.NAME.
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
from compression.quantization.network.batch_norm_folding import fold_batch_norms_
from compression.quantization.network.graph import trace
from compression.storage.blocks import pack_state, table_to_json
from compression.storage.codec_registry import CODECS

LOGITS = "logits"


def main(folder: Path, *, overwrite: bool) -> None:
    """Write all files; ends with one line where there are some already."""
    if folder.exists() and not overwrite:
        sys.exit(f"{folder} exists: golden files are not remade")
    folder.mkdir(exist_ok=True)
    model = make_narrow_vgg()
    save_artifact(folder / "pruned.cmp", model, **ABOUT, fold_bn=True)
    folded = trace(model)
    fold_batch_norms_(folded)
    save_expected(folder / "pruned.safetensors", folded.state_dict(), logits_of(model))

    integers, plan = make_integers(model)
    save_artifact(folder / "integers.cmp", integers, **ABOUT, plan=plan)
    save_expected(folder / "integers.safetensors", integers.state_dict(), logits_of(integers))

    tensors = make_tensors()
    blocks, parts = [], []
    for codec in CODECS:
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
    (folder / "codecs.cmp").write_bytes(write_container(header, sections={SECTION: b"".join(parts)}))
    save_expected(folder / "codecs.safetensors", tensors, {})


def make_tensors() -> dict[str, Tensor]:
    """Return a small tensor of every type and of the shapes that codecs tell apart."""
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
    """Return what the network makes of the fixed images."""
    return {LOGITS: model(make_images())}


def save_expected(path: Path, state: Mapping[str, Tensor], outputs: Mapping[str, Tensor]) -> None:
    """Write tensors as safetensors, -0.0 as 0.0 as the format has it."""
    plain = {name: value.masked_fill(value == 0, 0) for name, value in state.items()}
    save_file({**plain, **outputs}, path)


if __name__ == "__main__":
    main(Path(__file__).parent / f"v{FORMAT_VERSION}", overwrite=sys.argv[1:] == ["--overwrite"])
