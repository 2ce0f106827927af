"""Small networks to quantize, and the functions that quantize them."""

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from compression.core.tracing import trace
from compression.quantization.network import fake_network as quantized
from compression.quantization.network import graph as ops
from compression.quantization.network.batch_norm_folding import fold_batch_norms_
from compression.quantization.observers.min_max import MinMax
from compression.quantization.plan import Bits


class ResidualNet(nn.Module):
    """A stem, a residual block and a head of two linear layers; ``[B, 3, H, W] -> [B, 4]``."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1, bias=False)
        self.stem_norm = nn.BatchNorm2d(6)
        self.first = nn.Conv2d(6, 8, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(8)
        self.second = nn.Conv2d(8, 6, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(6)
        self.hidden = nn.Linear(6, 5)
        self.head = nn.Linear(5, 4)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits."""
        x = F.relu(self.stem_norm(self.stem(images)))
        y = F.relu(self.first_norm(self.first(x)))
        x = F.relu(x + self.second_norm(self.second(y)))
        return self.head(self.hidden(x.mean((2, 3))).relu())


def depthwise_net(clamp: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Return 1x1 -> depthwise -> 1x1 convolutions, without batch norm; ``[B, 3, H, W] -> [B, 4, H, W]``."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 1), clamp(), nn.Conv2d(6, 6, 3, padding=1, groups=6), clamp(), nn.Conv2d(6, 4, 1)
    )


def randomize_(model: nn.Module, *, seed: int = 0) -> nn.Module:
    """Draw weights, with rows of very different scales, and statistics; return ``model`` in evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, ops.LAYERS):
                rows = torch.rand(len(module.weight), *[1] * (module.weight.ndim - 1), generator=generator)
                module.weight.copy_(torch.randn(module.weight.shape, generator=generator) * 10 ** (rows - 1))
                if module.bias is not None:
                    module.bias.copy_(torch.randn(module.bias.shape, generator=generator) / 10)
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.copy_(torch.randn(module.num_features, generator=generator) / 10)
                module.running_var.copy_(torch.rand(module.num_features, generator=generator) + 0.5)
                module.bias.copy_(torch.randn(module.num_features, generator=generator) / 5)
    return model.eval()


def fold(model: nn.Module) -> fx.GraphModule:
    """Return the traced ``model`` with folded batch norm."""
    graph = trace(model)
    fold_batch_norms_(graph)
    return graph


def quantize(reference: fx.GraphModule, images: Tensor | None, *, weight_bits: int = 4) -> fx.GraphModule:
    """Return ``reference`` with rounded weights and, unless ``images`` are None, 8-bit activations."""
    activation_bits = 32 if images is None else 8
    bits = Bits(weight_bits, activation_bits)
    layers = dict.fromkeys(quantized.quantizable_layers(reference), bits)
    plan = quantized.make_plan(reference, layers, activation_bits=activation_bits)
    prepared = quantized.prepare(reference, plan).eval()
    for layer in quantized.fake_layers(prepared).values():
        layer.observe_weight(MinMax(), name="layer")
    for quantizer in quantized.quantizers(prepared).values():
        quantizer.observer = MinMax()
    if images is not None:
        with torch.no_grad():
            prepared(images)
    for quantizer in quantized.quantizers(prepared).values():
        quantizer.finish()
    return prepared
