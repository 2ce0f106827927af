"""Results of this experiment: results.json and a table.

python experiments/digits/collect.py outputs/digits-seed*/metrics.json
"""

import json
import statistics
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    """Read the metrics files named on the command line; write results.json; print the table."""
    documents = [json.loads(Path(path).read_text()) for path in sys.argv[1:]]
    documents.sort(key=lambda document: document["run"]["seed"])
    results = [
        {
            "seed": document["run"]["seed"],
            "dense_accuracy": document["dense"]["accuracy"],
            "accuracy": document["compressed"]["accuracy"],
            "sparsity": document["compressed"]["sparsity"],
            "compression_ratio": document["improvement"]["compression_ratio"],
            "stage_seconds": document["timing"]["stage_seconds"],
            "threads": document["run"]["threads"],
            "machine": document["provenance"]["machine"],
            "software": document["provenance"]["software"],
            "git_commit": document["provenance"]["git_commit"],
        }
        for document in documents
    ]
    (HERE / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    print("| seed | dense | 90 % sparse | difference | file | stages |")
    print("|---:|---:|---:|---:|---:|---:|")
    for result in results:
        points = 100 * (result["accuracy"] - result["dense_accuracy"])
        print(
            f"| {result['seed']} | {result['dense_accuracy']:.2%} | {result['accuracy']:.2%} | {points:+.2f} points "
            f"| {result['compression_ratio']:.2f}x smaller | {sum(result['stage_seconds'].values()):.0f} s |"
        )
    mean = statistics.mean(100 * (result["accuracy"] - result["dense_accuracy"]) for result in results)
    print(f"\nMean difference {mean:+.2f} points over {len(results)} seeds.")


if __name__ == "__main__":
    main()
