"""Results of this experiment: results.json and a table.

python experiments/pruning_for_macs/collect.py outputs/macs-*/metrics.json
"""

import json
import statistics
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
PLAIN = "weights"
TITLES = {
    "weights": "number of weights",
    "macs": "MACs, \\|w\\| / c^0.25",
    "taylor": "MACs, (g w)^2 / c",
    "exponent0": "MACs, \\|w\\|",
    "exponent0.125": "MACs, \\|w\\| / c^0.125",
    "exponent0.5": "MACs, \\|w\\| / c^0.5",
}


def main() -> None:
    """Read the metrics files named on the command line; write results.json; print the table.

    Runs of other seeds that results.json holds stay in it, so seeds may be run on different days.
    """
    record = HERE / "results.json"
    found: dict[tuple[str, str, float], dict[int, dict[str, Any]]] = defaultdict(dict)
    for row in json.loads(record.read_text()) if record.exists() else ():
        found[row["model"], row["ranking"], row["sparsity"]] = {run["seed"]: run for run in row["runs"]}
    for path in sys.argv[1:]:
        document = json.loads(Path(path).read_text())
        model, ranking, sparsity, seed = document["run"]["name"].removeprefix("macs-").split("-")
        found[model, ranking, float(sparsity)][int(seed)] = {"seed": int(seed), **summarize(document)}
    order = sorted(found, key=lambda key: (key[0], list(TITLES).index(key[1]), key[2]))
    results = [make_row(key, [*found[key].values()]) for key in order]
    record.write_text(json.dumps(results, indent=1) + "\n")
    print_table(results)


def summarize(document: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of one run."""
    dense, compressed = document["dense"], document["compressed"]
    return {
        "dense_accuracy": dense["accuracy"],
        "accuracy": compressed["accuracy"],
        "macs_left": compressed["nonzero_macs"] / dense["nonzero_macs"],
        "weights_left": 1 - compressed["sparsity"],
        "bytes": compressed["bytes"]["artifact"],
        "epochs": document["run"]["epochs"],
        "stages": document["run"]["stages"],
        "machine": document["provenance"]["machine"],
        "git_commit": document["provenance"]["git_commit"],
    }


def make_row(key: tuple[str, str, float], runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return means over seeds, the spread of the drop of accuracy in points, and the runs themselves."""
    runs = sorted(runs, key=lambda run: run["seed"])
    drops = [100 * (run["dense_accuracy"] - run["accuracy"]) for run in runs]
    means = {name: statistics.mean(run[name] for run in runs) for name in ("accuracy", "macs_left", "weights_left")}
    spread = statistics.stdev(drops) if len(drops) > 1 else None
    model, ranking, sparsity = key
    named = {"model": model, "ranking": ranking, "sparsity": sparsity}
    return {**named, **means, "drop": statistics.mean(drops), "drop_stdev": spread, "runs": runs}


def print_table(results: Sequence[dict[str, Any]]) -> None:
    """Print one row per model, ranking and sparsity."""
    print("| model | target | sparsity | seeds | MACs left | weights left | drop, points | plain, same MACs |")
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for row in results:
        plain = plain_drop(results, row)
        cells = (
            row["model"],
            TITLES[row["ranking"]],
            f"{100 * row['sparsity']:g} %",
            f"{len(row['runs'])}",
            f"{100 * row['macs_left']:.1f} %",
            f"{100 * row['weights_left']:.1f} %",
            f"{row['drop']:.2f}" + ("" if row["drop_stdev"] is None else f" ± {row['drop_stdev']:.2f}"),
            "" if plain is None else f"{plain:.2f}",
        )
        print(f"| {' | '.join(cells)} |")


def plain_drop(results: Sequence[dict[str, Any]], row: dict[str, Any]) -> float | None:
    """Return the drop of plain pruning that leaves as many MACs as ``row``, interpolated in their logarithm.

    None if plain pruning was not measured on both sides of this number of MACs.
    """
    points = sorted((r["macs_left"], r["drop"]) for r in results if (r["model"], r["ranking"]) == (row["model"], PLAIN))
    if row["ranking"] == PLAIN or not points or not points[0][0] <= row["macs_left"] <= points[-1][0]:
        return None
    macs, drops = zip(*points, strict=True)
    return float(np.interp(np.log(row["macs_left"]), np.log(macs), drops))


if __name__ == "__main__":
    main()
