"""What a file's 8-bit weights mean on this processor, and how its integers agree with their simulation here."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compression.artifact import Artifact
from compression.quantization.grid import FULL_PRECISION, MAX_BITS
from compression.quantization.plan import Plan
from compression.runtimes.cpu_features import read_cpu_features, saturates_u8s8
from compression.runtimes.parity import Parity, compare_logits
from compression.runtimes.runtime import Predictor

# Random images on which executed integers are compared with their simulation.
NUM_IMAGES = 64


@dataclass(frozen=True)
class RecordedParity:
    """The parity record of a file's own run: on which processor, and how well execution and simulation agreed."""

    processor: str
    agreement: float
    relative_logit_error: float | None


def describe_saturation(plan: Plan | None) -> str | None:
    """Return a sentence if this processor may saturate sums of the file's 8-bit products; None if it does not.

    Such a file was made on another processor, with VNNI, or with ``quantization.reduce_range=false``.
    """
    features = read_cpu_features()
    if plan is None or not _multiplies_8_bits(plan) or not saturates_u8s8(features):
        return None
    name = features.name or features.architecture
    return (
        f"its 8-bit weights were made for a processor with VNNI; this one ({name}) has none, so onnxruntime and "
        "openvino may saturate sums and give other results than those on record. compression compare --measure "
        "measures the difference here; quantization.reduce_range=true makes a file for this processor"
    )


def _multiplies_8_bits(plan: Plan) -> bool:
    # Dynamic layers multiply uint8 by uint8, which does not saturate.
    return not plan.dynamic and any(
        bits.weight == MAX_BITS and bits.activation != FULL_PRECISION for bits in plan.layers.values()
    )


def measure_parity(artifact: Artifact, *, simulated: Predictor, executed: Predictor) -> Parity:
    """Return how the executed integers of a file agree with their simulation on random images of its size."""
    images = _draw_images(artifact)
    labels = np.zeros(len(images), np.int64)
    return compare_logits([(simulated(images), executed(images), labels)])


def _draw_images(artifact: Artifact) -> NDArray[np.float32]:
    """Return normalized images of noise, [64, C, H, W], the same at every call."""
    shape = (NUM_IMAGES, artifact.channels, artifact.image_size, artifact.image_size)
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
