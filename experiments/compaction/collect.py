"""Collect what compaction did to each architecture into results.json and a table.

python experiments/compaction/collect.py outputs/compaction-*/metrics.json
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    """Read the documents named on the command line; write results.json; print the table."""
    results = {}
    print("| model | groups | parameters | MACs | difference of logits | ONNX Runtime, batch 64 |")
    print("|---|---:|---:|---:|---:|---:|")
    for path in sys.argv[1:]:
        document = json.loads(Path(path).read_text())
        name = document["run"]["name"].removeprefix("compaction-")
        compaction = document["compaction"]
        rows = document["timing"]["latency"]
        [timed] = [row for row in rows if (row["engine"], row["batch_size"]) == ("onnxruntime", 64)]
        results[name] = {
            **compaction,
            "accuracy": [document[part]["accuracy"] for part in ("dense", "compressed")],
            "speedup": timed["speedup"],
            "machine": document["provenance"]["machine"],
            "software": document["provenance"]["software"],
            "git_commit": document["provenance"]["git_commit"],
        }
        (old, new), (before, after) = compaction["parameters"], compaction["macs"]
        speedup = timed["speedup"]
        spread = f"{speedup['median']:.2f}x ({speedup['p10']:.2f} to {speedup['p90']:.2f})"
        print(
            f"| {name} | {len(compaction['channels'])} | {old:,} to {new:,} "
            f"| {before / 1e6:.1f} to {after / 1e6:.1f} M | {compaction['difference']:.1e} | {spread} |"
        )
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
