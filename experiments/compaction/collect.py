"""Results of the compaction of each architecture: results.json and a table.

python experiments/compaction/collect.py outputs/compaction
"""

import json
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    """Read the compact stages below the folder named on the command line; write results.json; print the table."""
    results = {}
    print("| model | groups | parameters | MACs | difference of logits |")
    print("|---|---:|---:|---:|---:|")
    for path in sorted(Path(sys.argv[1]).glob("*/store/compact-*/stage.json")):
        record = json.loads(path.read_text())
        name, found = path.parents[2].name, record["results"]
        results[name] = {**found, "made_with": record["made_with"]}
        (old, new), (before, after) = found["parameters"], found["macs"]
        print(
            f"| {name} | {len(found['channels'])} | {old:,} to {new:,} | {before / 1e6:.1f} to {after / 1e6:.1f} M "
            f"| {found['difference']:.1e} |"
        )
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
