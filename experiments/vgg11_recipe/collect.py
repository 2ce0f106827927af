"""Results of the recipe: results.json and the table of its four models.

python experiments/vgg11_recipe/collect.py outputs/recipe-*/metrics.json
"""

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
TITLES = {
    "recipe-unstructured": "unstructured, layer-wise",
    "recipe-structured": "structured, before fine-tuning",
    "recipe-structured-finetuned": "structured, after fine-tuning",
}


def main() -> None:
    """Read the metrics files named on the command line; write results.json; print the table."""
    documents = {}
    for path in sys.argv[1:]:
        document = json.loads(Path(path).read_text())
        documents[document["run"]["name"]] = document
    results = {name: documents[name] for name in TITLES}
    for document in results.values():
        # The command contains folder names of one machine.
        del document["provenance"]["command"]
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    print("| model | file | test accuracy | parameters | MACs | bytes | ONNX Runtime, batch 64 |")
    print("|---|---|---:|---:|---:|---:|---:|")
    first = results["recipe-unstructured"]
    dense, latency = first["dense"], batch_64(first)["dense"]["latency_ms"]["median"]
    print(
        f"| dense | `recipe-unstructured/dense.safetensors` | {100 * dense['accuracy']:.2f} % "
        f"| {dense['nonzero_parameters']:,} | {dense['macs'] / 1e6:.1f} M | {dense['bytes']['safetensors']:,} "
        f"| {latency:.1f} ms |"
    )
    for name, title in TITLES.items():
        model, timed = results[name]["compressed"], batch_64(results[name])
        print(
            f"| {title} | `{name}/model.cmp` | {100 * model['accuracy']:.2f} % | {model['nonzero_parameters']:,} "
            f"| {model['macs'] / 1e6:.1f} M | {model['bytes']['artifact']:,} "
            f"| {timed['compressed']['latency_ms']['median']:.1f} ms, {timed['speedup']['median']:.2f}x |"
        )


def batch_64(document: dict[str, Any]) -> dict[str, Any]:
    """Return the latency row of ONNX Runtime at batch 64."""
    rows = document["timing"]["latency"]
    return next(row for row in rows if (row["engine"], row["batch_size"]) == ("onnxruntime", 64))


if __name__ == "__main__":
    main()
