"""Fake processors, and an engine that imitates a processor that adds 8-bit products with saturation."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from compression.quantization.network.integer_layers import IntegerLayer
from compression.run.building import configured_plan as quantization_plan
from compression.run.stages import evaluate
from compression.runtimes.cpu_features import CpuFeatures
from compression.runtimes.runtime import Predictor

WITH_VNNI = CpuFeatures("with VNNI", "x86_64", avx2=True, avx512=True, vnni=True)
WITHOUT_VNNI = CpuFeatures("without VNNI", "x86_64", avx2=True, avx512=False, vnni=False)


def state_processor(monkeypatch: pytest.MonkeyPatch, features: CpuFeatures) -> None:
    """Let runs find this processor instead of the machine's own."""
    for module in (quantization_plan, evaluate):
        monkeypatch.setattr(module, "read_cpu_features", lambda: features)


class SaturatingRuntime:
    """Engine that runs an integer network as x86 without VNNI does: VPMADDUBSW clips sums of two products to int16."""

    name = "saturating"

    def load(self, network: nn.Module, /, *, threads: int) -> Predictor:
        """Return a predictor. The integer layers of ``network`` are changed in place."""
        torch.set_num_threads(threads)
        for layer in network.modules():
            if type(layer) is IntegerLayer:
                layer.forward = _Saturating(layer)

        def predict(images: np.ndarray) -> np.ndarray:
            with torch.inference_mode():
                return network(torch.from_numpy(images)).numpy()

        return predict


class _Saturating:
    """The forward pass of an ``IntegerLayer`` with uint8 inputs. If inputs may be negative, 128 represents 0."""

    def __init__(self, layer: IntegerLayer) -> None:
        self.layer = layer

    def __call__(self, input: Tensor, input_scale: Tensor) -> Tensor:
        layer, product = self.layer, self.layer.product
        integers = torch.round(input / input_scale)
        zero = 128 if integers.min() < 0 else 0
        weight = layer.weight.float().flatten(1)
        columns, shape = (integers[..., None], None) if product.num_axes == 0 else self._unfold(integers)
        groups = zip(columns.chunk(product.groups, 1), weight.chunk(product.groups), strict=True)
        sums = torch.cat([_sum(part + zero, rows) - zero * rows.sum(1)[:, None] for part, rows in groups], dim=1)
        sums = sums[..., 0] if shape is None else sums.unflatten(2, shape)
        return (sums + product.by_channel(layer.bias.float())) * product.by_channel(input_scale * layer.weight_scale)

    def _unfold(self, integers: Tensor) -> tuple[Tensor, tuple[int, int]]:
        """Return the inputs of each output, ``[B, C * kH * kW, H * W]``, and height and width of the output."""
        product, kernel = self.layer.product, tuple(self.layer.weight.shape[2:])
        settings = {"dilation": product.dilation, "padding": product.padding, "stride": product.stride}
        columns = F.unfold(integers, kernel, **settings)
        high, wide = (
            (size + 2 * pad - step * (width - 1) - 1) // stride + 1
            for size, pad, step, width, stride in zip(
                integers.shape[2:], product.padding, product.dilation, kernel, product.stride, strict=True
            )
        )
        return columns, (high, wide)


def _sum(columns: Tensor, weight: Tensor) -> Tensor:
    """Return ``weight [O, K] @ columns [B, K, L]``, where each sum of two neighbouring products is clipped to int16."""
    products = weight[None, :, :, None] * columns[:, None]
    products = F.pad(products, (0, 0, 0, products.shape[2] % 2))
    pairs = products.unflatten(2, (-1, 2)).sum(3)
    return pairs.clamp(-(2**15), 2**15 - 1).sum(2)
