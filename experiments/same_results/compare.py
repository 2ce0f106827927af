"""Show that two revisions give the same results: metrics, bytes of artifacts, and stage ids.

    python experiments/same_results/compare.py BEFORE AFTER --out DIR

BEFORE and AFTER are git revisions. Each is checked out into a temporary folder and runs the same three commands.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FIXED = ("threads=1", "trainer.accelerator=cpu")
COMMANDS = {
    "default": (),
    "quantized": ("strategy=iterative_l1", "sparsity=0.9", "weight_bits=8", "activation_bits=8"),
    "sweep": ("-m", "sparsity=0.5,0.9", "weight_bits=6,8"),
}
FILES = ("model.cmp", "dense.safetensors")
# Parts of metrics.json that a clock or an installation decides.
VARYING = ("timing", "provenance")


def main() -> int:
    """Run both revisions, print what differs, and return 1 if results do."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("before")
    parser.add_argument("after")
    parser.add_argument("--out", type=Path, required=True, help="folder for the outputs of both revisions")
    args = parser.parse_args()
    found = {}
    for role in ("before", "after"):
        revision = getattr(args, role)
        output = args.out.absolute() / role
        run_revision(revision, output)
        found[role] = read_results(output)
    report = compare(found["before"], found["after"])
    report = {"before": describe(args.before), "after": describe(args.after), **report}
    (args.out / "comparison.json").write_text(json.dumps(report, indent=1) + "\n")
    print(json.dumps(report, indent=1))
    return 0 if report["same_results"] else 1


def describe(revision: str) -> str:
    """Return the short hash of ``revision``."""
    return _git("rev-parse", "--short", revision).strip()


def run_revision(revision: str, output: Path) -> None:
    """Run the commands in a checkout of ``revision``; finished ones are found in ``output`` and not run again."""
    with tempfile.TemporaryDirectory() as folder:
        checkout = Path(folder) / "checkout"
        _git("worktree", "add", "--detach", str(checkout), revision)
        try:
            for name, overrides in COMMANDS.items():
                multirun, rest = overrides[:1] == ("-m",), [one for one in overrides if one != "-m"]
                target = f"output_dir={output / name}"
                place = [] if multirun else [f"name={name}"]
                command = [sys.executable, "train.py", *(["-m"] if multirun else []), *rest, *FIXED, *place, target]
                print(f"{revision}: {' '.join(command[1:])}", flush=True)
                environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(checkout)}
                subprocess.run(command, cwd=checkout, env=environment, check=True, stdout=subprocess.DEVNULL)
        finally:
            _git("worktree", "remove", "--force", str(checkout))


def read_results(output: Path) -> dict[str, Any]:
    """Return what each run left: lasting metrics, hashes of files, and the keys of all stages in its store."""
    results: dict[str, Any] = {}
    for name in COMMANDS:
        for file in sorted((output / name).rglob("metrics.json")):
            document = json.loads(file.read_text())
            lasting = {key: value for key, value in document.items() if key not in VARYING}
            stages = lasting["run"].pop("stages")
            run = f"{name}/{file.parent.name}"
            hashes = {one: hashlib.sha256((file.parent / one).read_bytes()).hexdigest() for one in FILES}
            results[run] = {"metrics": lasting, "files": hashes, "stages": stages}
        keys = [json.loads(file.read_text())["key"] for file in sorted((output / name).rglob("store/*/stage.json"))]
        results[f"{name}/store"] = {_id(key): key for key in keys}
    return results


def compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    """Return which runs have the same metrics, files and stage ids, and how the keys of stages differ."""
    runs = [name for name in before if not name.endswith("/store")]
    assert list(before) == list(after), f"other runs: {sorted(set(before) ^ set(after))}"
    rows = {
        run: {
            "metrics": before[run]["metrics"] == after[run]["metrics"],
            **{file: before[run]["files"][file] == after[run]["files"][file] for file in FILES},
            "stage_ids": before[run]["stages"] == after[run]["stages"],
        }
        for run in runs
    }
    stores = [name for name in before if name.endswith("/store")]
    # Without hashes of code, and with parents named by their own keys without such hashes.
    plain = all(_without_code(before[store]) == _without_code(after[store]) for store in stores)
    same = plain and all(row["metrics"] and all(row[file] for file in FILES) for row in rows.values())
    return {
        "runs": rows,
        "stages": {store: len(after[store]) for store in stores},
        "stage_keys_same_without_code_hashes": plain,
        "same_results": same,
    }


def _without_code(keys: Mapping[str, Any]) -> list[str]:
    names: dict[str, str] = {}

    def name(key_id: str) -> str:
        if key_id not in names:
            key = json.loads(json.dumps(keys[key_id]))
            key["parents"] = [name(parent) for parent in key["parents"]]
            # Packages and machine are part of a measurement's key; both revisions ran in one environment.
            names[key_id] = hashlib.sha256(json.dumps(_strip(key), sort_keys=True).encode()).hexdigest()
        return names[key_id]

    return sorted(name(key_id) for key_id in keys)


def _strip(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _strip(one) for key, one in value.items() if key != "code"}
    return [_strip(one) for one in value] if isinstance(value, list) else value


def _id(key: Mapping[str, Any]) -> str:
    canonical = json.dumps(key, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
