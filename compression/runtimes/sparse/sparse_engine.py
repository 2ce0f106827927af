"""The sparse engine: it computes only with the weights that are not zero."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from torch import nn

from compression.core.errors import InputError
from compression.core.tracing import copy_network, trace
from compression.runtimes.cpu_features import CpuFeatures, read_cpu_features
from compression.runtimes.runtime import Predictor
from compression.runtimes.sparse.check_logits import check_logits
from compression.runtimes.sparse.compiler import load_kernels
from compression.runtimes.sparse.handlers.find_handler import check_modules
from compression.runtimes.sparse.lowering import lower_graph
from compression.runtimes.sparse.sparse_network import SparseNetwork

# So many networks are kept per model, each for one shape of images.
KEPT = 4
# Floats in a vector; 1 is plain C.
VECTORS = (16, 8, 4, 1)


class SparseRuntime:
    """Tables of the weights that are not zero, and a few kernels built by a C compiler at the first use on a machine.

    ``vector`` is the number of floats in a vector, by default the widest of this processor.
    """

    name = "sparse"

    def __init__(self, *, vector: int | None = None) -> None:
        assert vector is None or vector in VECTORS
        self.vector = vector

    def load(self, source: nn.Module, /, *, threads: int) -> Predictor:
        """Return a function that runs ``source`` on images, with up to ``threads`` threads.

        Tables are made at the first use of each shape of images, alone and in a batch; PyTorch computes the first
        image of these too. Raises
        InputError for a network that torch.fx cannot trace or with an operation that has no kernel, if the kernels
        cannot be built, and if the logits are not PyTorch's.
        """
        features = read_cpu_features()
        vector = self.vector or choose_vector(features)
        graph = trace(source).cpu()
        check_modules(graph)
        reference = copy_network(source).eval().cpu()
        checked: set[tuple[tuple[int, int, int], bool]] = set()
        kernels = load_kernels(vector, is_x86=features.is_x86)

        @lru_cache(maxsize=KEPT)
        def prepare(shape: tuple[int, int, int]) -> SparseNetwork:
            return SparseNetwork(kernels, lower_graph(graph, shape=shape), vector=vector, threads=threads)

        def predict(images: NDArray[np.float32]) -> NDArray[np.float32]:
            if images.ndim != 4:
                raise InputError(f"images of shape {list(images.shape)}: must be [B, C, H, W]")
            channels, height, width = images.shape[1:]
            shape = channels, height, width
            network = prepare(shape)
            logits = network(images)
            # Images in blocks have kernels and tables of their own.
            form = shape, network.count_in_blocks(len(images)) > 0
            if form not in checked and len(images):
                check_logits(reference, images, logits)
                checked.add(form)
            return logits

        return predict


def choose_vector(features: CpuFeatures) -> int:
    """Return the number of floats in the widest vector of this processor."""
    if features.avx512:
        return 16
    # NEON and SSE have four.
    return 8 if features.avx2 else 4
