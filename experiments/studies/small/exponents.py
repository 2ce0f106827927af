"""Held-out accuracy of a pruned network after rounding by storage cost, for several exponents of a layer's mean cost.

usage: experiments/studies/small/exponents.py STAGE OUT.json EXPONENTS KIB KEY=VALUE...

STAGE is a prune stage of the store; the settings of its network follow, as for train.py. EXPONENTS and KIB are lists
such as ``0.5,1`` and ``145,121``. For each pair a price is sought with which the codes of all weights take that many
KiB, within 2 %. Weights alone are rounded, to 8 bits; the scale and bias of each channel are fitted again. With an
exponent of 1 the costs are as the gradients say; with 0 all layers have the same mean cost. Rows of OUT.json are kept.
"""

import itertools
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import torch
from hydra.utils import instantiate
from safetensors.torch import load_file
from torch import fx

from compression.config.compose import compose_run
from compression.core.tracing import trace
from compression.quantization.calibration import observe_weights_
from compression.quantization.network.batch_norm_folding import fold_batch_norms_
from compression.quantization.network.fake_network import fake_layers, prepare
from compression.quantization.plan import Plan
from compression.quantization.rate import fisher
from compression.quantization.rate.rate_aware import round_by_rate_
from compression.quantization.repairs.scale_refit import fit_channels_
from compression.run.building.configured_plan import plan_for
from compression.run.context import Context, make_context

IMAGES, BATCHES = 2000, 16
# The logarithms of the smallest and the largest price that is tried, to the base 2.
LOW, HIGH, TRIES = -13.0, -1.0, 9


def main(stage: Path, out: Path, exponents: str, sizes: str, overrides: list[str]) -> None:
    """Measure all pairs, and write the rows so far after every row."""
    context = make_context(*compose_run([*overrides, "bits=8"]))
    model = context.build_model(pretrained=False)
    model.load_state_dict(load_file(stage / "model.safetensors"))
    rounding = Rounding(context, trace(model.eval()))
    rows = json.loads(out.read_text()) if out.exists() else []
    for exponent, size in itertools.product(map(float, exponents.split(",")), map(float, sizes.split(","))):
        settings = [word for word in overrides if not word.startswith(("data.root=", "output_dir="))]
        row = {"overrides": settings, "before": rounding.before, "exponent": exponent, "target_kib": size}
        rows.append({**row, **rounding.measure(exponent, size)})
        print(rows[-1], flush=True)
        out.write_text(json.dumps(rows, indent=1) + "\n")


class Rounding:
    """A network with folded batch norm, the sensitivity of its weights, and the images that measure its roundings."""

    def __init__(self, context: Context, reference: fx.GraphModule) -> None:
        self.reference = reference
        self.plan = Plan(plan_for(context, reference).layers)
        self.observer = partial(instantiate, context.config.quantization.weights)
        fold_batch_norms_(reference)
        self.batches = list(itertools.islice(context.data.plain_train_batches(), BATCHES))
        self.held_out = list(context.data.val_subset(IMAGES))
        self.before = self.count_accuracy(reference)
        # It does not depend on the exponent or the price.
        self.curvature = fisher.measure_curvature(reference, self.batches, num_batches=BATCHES)

    def measure(self, exponent: float, size: float) -> dict[str, Any]:
        """Return price, KiB, zeros and accuracy of the rounding whose codes take about ``size`` KiB."""
        fisher.TEMPER = exponent
        low, high = LOW, HIGH
        for _ in range(TRIES):
            price = 2 ** ((low + high) / 2)
            network = prepare(self.reference, self.plan)
            observe_weights_(network, self.observer)
            bits = round_by_rate_(network, self.curvature, lam=price)
            found = bits.chosen / 8192
            if abs(found / size - 1) < 0.02:
                break
            low, high = ((low + high) / 2, high) if found > size else (low, (low + high) / 2)
        fit_channels_(network, self.reference, self.batches, num_batches=BATCHES, on_grid=True)
        weights = torch.cat([layer.weight.flatten() for layer in fake_layers(network).values()])
        share = float((weights == 0).float().mean())
        return {"price": price, "kib": found, "zeros": share, "accuracy": self.count_accuracy(network)}

    @torch.no_grad()
    def count_accuracy(self, network: fx.GraphModule) -> float:
        """Return the fraction of the held-out images that ``network`` classifies correctly."""
        hits = [(network(images).argmax(1) == labels).float() for images, labels in self.held_out]
        return float(torch.cat(hits).mean())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4], sys.argv[5:])
