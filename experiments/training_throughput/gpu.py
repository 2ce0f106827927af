"""Check that the framework runs on a GPU, then measure its training there, in ten minutes. It can be stopped.

    python experiments/training_throughput/gpu.py --out DIR

``DIR/results.json`` gets every result as soon as it is known. The same command continues where an earlier one stopped.
``--again`` starts from the beginning. ``--tiny --device cpu`` is a dry run without a GPU.
"""

import argparse
import gc
import logging
import shutil
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from compression.core.errors import InputError
from compression.reporting.provenance import describe_machine, describe_software
from compression.system.extras import missing_extra_in_one_line

with missing_extra_in_one_line():
    from gpu_checks import CHECKS, Place, run_check
    from gpu_measures import MODELS, OURS, PLAIN, list_rows, measure_row
    from recorded import Recorded

    from compression.run.workspace import quiet_libraries

# Images per second on an H100, and the factor over the loop people write.
GOALS = {"resnet18": 40_000, "mobilenet_v2": 20_000}
GOAL_OVER_PLAIN = 10


def main(argv: Sequence[str] | None = None) -> int:
    """Run the checks, measure the rows, print the table; return 1 if a check or a row failed."""
    args = _parse(argv)
    out = args.out.resolve()
    try:
        _check_device(args.device)
        if args.again:
            for path in (out / "results.json", out / "logs", out / "runs"):
                path.unlink() if path.is_file() else shutil.rmtree(path, ignore_errors=True)
        recorded = Recorded(out / "results.json", _about(args))
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    out.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + 60 * args.minutes
    place = Place(out, args.device, args.tiny, limit=args.limit)
    if args.only in (None, "checks"):
        for name in CHECKS:
            if name in recorded.group("checks"):
                continue
            if time.monotonic() > deadline:
                break
            recorded.add("checks", name, run_check(place, name))
            print(_show_check(name, recorded.group("checks")[name]), flush=True)
    if args.only in (None, "measures"):
        logging.disable(logging.INFO)
        try:
            _measure(args, recorded, deadline)
        finally:
            logging.disable(logging.NOTSET)
    print(f"\n{_table(recorded)}")
    failed = any(one["outcome"] == "failed" for kind in ("checks", "rows") for one in recorded.group(kind).values())
    return int(failed)


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of results, logs and outputs of the checks")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--data", help="an image folder to measure with; without it, random images")
    parser.add_argument("--models", nargs="+", choices=MODELS, default=MODELS, help="networks to measure")
    parser.add_argument("--tiny", action="store_true", help="a dry run: small networks, few rows")
    parser.add_argument("--minutes", type=float, default=10, help="start no further check or row after this time")
    parser.add_argument("--limit", type=float, default=120, help="seconds of one command of a check")
    parser.add_argument("--only", choices=["checks", "measures"], help="leave the other part out")
    parser.add_argument("--again", action="store_true", help="discard earlier results")
    return parser.parse_args(argv)


def _check_device(device: str) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        raise InputError("--device=cuda: no CUDA device is available; --device cpu --tiny is a dry run")


def _about(args: argparse.Namespace) -> dict[str, Any]:
    return {
        "device": args.device,
        "tiny": args.tiny,
        "data": args.data,
        "machine": describe_machine(),
        "software": describe_software(),
    }


def _measure(args: argparse.Namespace, recorded: Recorded, deadline: float) -> None:
    quiet_libraries()
    for row in list_rows(args.models, tiny=args.tiny):
        if row.name in recorded.group("rows"):
            continue
        if time.monotonic() > deadline:
            return
        started, broken = time.monotonic(), False
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                found = measure_row(
                    row, device=args.device, data=args.data, tiny=args.tiny, scratch=args.out.resolve() / "scratch"
                )
            found = {"outcome": "ok", **found}
        # Whatever goes wrong with one row must not cost the others.
        except Exception as error:  # noqa: BLE001
            found = {"outcome": "failed", "error": f"{type(error).__name__}: {error}".strip().splitlines()[0]}
            # After any other error of CUDA, nothing works in this process.
            broken = "CUDA error" in str(error)
        described = {"model": row.model, "batch": row.batch, "kind": row.kind}
        recorded.add("rows", row.name, described | found | {"seconds": round(time.monotonic() - started, 1)})
        print(_show_row(recorded.group("rows")[row.name]), flush=True)
        if broken:
            print("CUDA is unusable in this process now; the same command continues with the next row")
            return
        if args.device == "cuda":
            gc.collect()
            torch.cuda.empty_cache()


def _show_check(name: str, found: dict[str, Any]) -> str:
    return f"{name:<14} {found['outcome']:<7} {found['seconds']:>6.1f} s  {found.get('detail') or found['error']}"


def _show_row(row: dict[str, Any]) -> str:
    value = f"{row['images_per_second']:>9,.0f} images/s" if row["outcome"] == "ok" else row["error"]
    return f"{row['model']:<13} {row['batch']:>5}  {row['kind']:<44} {value}"


def _table(recorded: Recorded) -> str:
    """Return all results as text, and the goals beside the values."""
    checks, rows = recorded.group("checks"), list(recorded.group("rows").values())
    lines = [_show_check(name, found) for name, found in checks.items()] + [_show_row(row) for row in rows]
    speeds = {(row["model"], row["batch"], row["kind"]): row.get("images_per_second") for row in rows}
    for model in MODELS:
        ours = {batch: value for (m, batch, kind), value in speeds.items() if (m, kind) == (model, OURS) and value}
        plain = {batch: speeds.get((model, batch, PLAIN)) for batch in ours}
        ratios = [value / plain[batch] for batch, value in ours.items() if plain[batch]]
        lines.append(_show_goal(f"{model}, images/s", GOALS[model], max(ours.values(), default=None)))
        lines.append(_show_goal(f"{model}, ours over plain", GOAL_OVER_PLAIN, max(ratios, default=None)))
    return "\n".join(lines)


def _show_goal(name: str, goal: float, value: float | None) -> str:
    if value is None:
        return f"{name:<30} goal {goal:>7,}  not measured"
    return f"{name:<30} goal {goal:>7,}  {value:>9,.1f}  {'reached' if value >= goal else 'not reached'}"


if __name__ == "__main__":
    sys.exit(main())
