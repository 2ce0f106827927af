"""The contents of an artifact, read without building its model."""

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from compression.core.container import is_container, read_container
from compression.core.errors import ArtifactError, InputError
from compression.core.file_names import ARTIFACT
from compression.core.model_card import ModelCard
from compression.models.load_weights import read_state_dict
from compression.quantization.network.stored_vectors import decode_vectors
from compression.quantization.plan import Plan
from compression.storage.blocks import MAX_DECODED_BYTES, Block, table_from_json, unpack_state

SECTION = "tensors"


@dataclass(frozen=True)
class Contents:
    """The contents of an artifact, read without building its model; no code of the architecture is needed."""

    card: ModelCard
    blocks: tuple[Block, ...]
    payload: bytes
    file_bytes: int

    @property
    def plan(self) -> Plan | None:
        """Bits and grids of a quantized network; None of one in floating point."""
        return plan_of(self.card)

    @property
    def dense_bytes(self) -> int | None:
        """The bytes of the dense model from the notes in the file; None if the notes have no valid size."""
        noted = self.card.info.get("dense_bytes")
        return noted if type(noted) is int and 0 < noted < 1 << 63 else None

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each tensor, by name."""
        return {name: shape for block in self.blocks for name, shape in zip(block.names, block.shapes, strict=True)}

    def decode(self, *, max_bytes: int | None = MAX_DECODED_BYTES) -> dict[str, Tensor]:
        """Return the tensors of the file on the CPU, bit for bit.

        Raises ArtifactError for damaged tensors, or if decoding takes more than ``max_bytes`` of memory.
        """
        return unpack_state(self.blocks, payload=self.payload, max_bytes=max_bytes)

    def decode_state(self, *, max_bytes: int | None = MAX_DECODED_BYTES) -> dict[str, Tensor]:
        """Return the state dict of the network: as ``decode``, but scales and biases on grids get their values."""
        stored, plan = self.decode(max_bytes=max_bytes), self.plan
        if plan is None:
            return stored
        try:
            return decode_vectors(stored, plan)
        except InputError as error:
            raise ArtifactError(f"damaged: {error}") from error


def read_contents(path: Path | str) -> Contents:
    """Return the contents of the artifact at ``path``, with verified checksums.

    Raises InputError for a missing file and ArtifactError for one that is damaged or not an artifact.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"artifact {str(path)!r} does not exist")
    header, sections = read_container(path)
    try:
        if set(sections) != {SECTION}:
            raise ArtifactError(f"damaged: sections {', '.join(sections)} where {SECTION} is expected")
        card = ModelCard.from_json(header)
        blocks = table_from_json(header.get(SECTION), payload_bytes=len(sections[SECTION]))
    except InputError as error:
        raise ArtifactError(f"{path}: {error}") from error
    return Contents(card=card, blocks=tuple(blocks), payload=sections[SECTION], file_bytes=path.stat().st_size)


def read_weights(path: Path | str) -> dict[str, Tensor]:
    """Return the tensors by name from a state dict, a Lightning checkpoint or an artifact.

    Raises InputError for an artifact whose tensors do not fit the original architecture: one that is compacted,
    quantized, or stored with batch norm folded.
    """
    path = Path(path)
    if path.is_file() and (path.suffix == Path(ARTIFACT).suffix or is_container(path)):
        contents = read_contents(path)
        if contents.card.architecture.compacted:
            raise InputError(
                f"{path} lacks channels of its architecture; allowed: a file of a network with all channels"
            )
        if contents.card.quantization is not None:
            raise InputError(f"{path} holds integers; allowed: a file of a network in floating point")
        if contents.card.architecture.folded:
            raise InputError(f"{path} has its batch norm folded; allowed: a file written with storage.fold_bn=false")
        return contents.decode()
    return read_state_dict(path)


def plan_of(card: ModelCard) -> Plan | None:
    """Return bits and grids of a quantized network, None of one in floating point; raises ArtifactError if damaged."""
    if card.quantization is None:
        return None
    try:
        return Plan.from_json(card.quantization)
    except InputError as error:
        raise ArtifactError(f"damaged: {error}") from error
