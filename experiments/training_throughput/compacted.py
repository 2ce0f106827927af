"""Training speed of compacted networks beside their dense network: is it in proportion to their MACs?

    python experiments/training_throughput/compacted.py --data DIR --out compacted.json RUN/model.cmp...

Each file is a MobileNetV2 whose channels were pruned (``strategy=iterative_structured_l2 strategy.target=macs``). It is
trained further, as ``strategy.finetune`` does, with all callbacks, in turns with the dense network.
"""

import argparse
import copy
import json
import logging
import statistics
import tempfile
import warnings
from pathlib import Path
from typing import Any
from unittest import mock

from loops import our_loop
from torch import nn

from compression.artifact import load_artifact
from compression.config.compose import compose_run
from compression.core.counting import count_macs
from compression.reporting.provenance import describe_machine, describe_software
from compression.run.context import Context, make_context
from compression.run.workspace import quiet_libraries

ROUNDS, BATCH = 3, 128


def main() -> None:
    """Measure all networks in turn and write a row for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--data", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--images", type=int, default=2048, help="images per round")
    args = parser.parse_args()
    logging.disable(logging.INFO)
    warnings.filterwarnings("ignore")
    quiet_libraries()
    with tempfile.TemporaryDirectory() as outputs:
        overrides = [
            *("data=image_folder", f"data.root={args.data}", "model=mobilenet_v2", "data.stem=imagenet", "threads=2"),
            *(f"data.batch_size={BATCH}", "strategy=none", "logger=csv", f"output_dir={outputs}"),
        ]
        context = make_context(*compose_run(overrides))
        networks: dict[str, nn.Module] = {"dense": context.build_model()}
        networks |= {path.parent.name: load_artifact(path).model for path in args.files}
        seconds: dict[str, list[float]] = {name: [] for name in networks}
        for _ in range(ROUNDS):
            for name, network in networks.items():
                seconds[name].append(_time(context, network, args.images // BATCH))
    size = context.data.dataset.image_size
    dense = statistics.median(seconds["dense"])
    rows: list[dict[str, Any]] = [
        {
            "network": name,
            "macs": count_macs(network, size),
            "images_per_second": args.images / statistics.median(seconds[name]),
            "times_faster": dense / statistics.median(seconds[name]),
            "seconds": seconds[name],
        }
        for name, network in networks.items()
    ]
    print(json.dumps(rows, indent=1))
    document = {"machine": describe_machine(), "software": describe_software(), "batch": BATCH, "rows": rows}
    args.out.write_text(json.dumps(document, indent=1) + "\n")


def _time(context: Context, network: nn.Module, num_batches: int) -> float:
    with mock.patch.object(Context, "build_model", return_value=copy.deepcopy(network)):
        return our_loop(context, num_batches)().wall


if __name__ == "__main__":
    main()
