"""Fuzz test with damaged artifacts: each must give one clear error or tensors, in bounded time and memory.

usage: PYTHONPATH=.:tests/support python experiments/storage/fuzz/fuzz.py OUT.json [NUM_FILES] [SEED]

Every file is a mutation of a valid one (`tests/support/mutations.py`). SEED and the number of the file alone
determine it. Each file is inspected and loaded (every third one if inspecting fails); every 200th is compared over
codecs. Allowed results are `InputError` with one line, the right tensors, and other tensors if the mutation repairs
the checksums of the changed content. Anything else is a finding.

The files are read in a child process. Tensors may take 64 MiB (``max_bytes``). The address space may grow by 1 GiB
after imports. An alarm interrupts a file after 10 s of CPU time. If native code blocks the alarm, the process ends
after 60 s, and a new one continues after that file.
"""

import faulthandler
import importlib.metadata
import json
import platform
import random
import resource
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import torch
from mutations import KINDS, change_block, change_payload, lie_in_header, lie_in_shapes, swap_bytes
from narrow_vgg import ABOUT, make_integers, make_narrow_vgg
from torch import Tensor

from compression.artifact import load_artifact, read_contents, save_artifact
from compression.commands.compare_codecs import compare_storage
from compression.commands.inspect_model import inspect_file
from compression.core.errors import InputError
from compression.models.mobilenet_v2 import mobilenet_v2
from compression.storage.codec_registry import CODECS

ALARM_SECONDS, EXIT_SECONDS = 10, 60
EXTRA_BYTES = 1 << 30
COMPARE_EVERY = 200
# Load one in this many of the files that cannot be inspected.
LOAD_EVERY = 3
# Bytes that the tensors of a file may take, like --max-bytes of the command line.
MAX_BYTES = 64 << 20
# Mutations that repair the checksums find more, so they are more frequent.
MIX = (*KINDS, *(3 * (lie_in_header,)), *(3 * (change_block,)), *(2 * (lie_in_shapes,)), swap_bytes, change_payload)
KEPT_FINDINGS = 100
GOLDEN = Path(__file__).parents[3] / "tests" / "golden"
PACKAGES = ("torch", "numpy", "constriction", "zstandard")


class Hang(BaseException):
    """Timeout raised by the alarm. As a BaseException it passes every handler of errors."""


def main(out: Path, *, num_files: int, seed: int) -> None:
    """Run child processes until every file has been tried; write the record."""
    start_time, commit = time.perf_counter(), _commit()
    with tempfile.TemporaryDirectory() as folder:
        record, next_file, ended = Path(folder) / "record.json", 0, []
        while next_file < num_files:
            arguments = [str(record), str(next_file), str(num_files), str(seed)]
            done = subprocess.run([sys.executable, __file__, "--child", *arguments], check=False)
            if done.returncode == 0:
                break
            last = int((Path(folder) / "current").read_text())
            ended.append({"file": last, "returncode": done.returncode})
            print(f"ended with {done.returncode} at file {last}", flush=True)
            next_file = last + 1
        result = json.loads(record.read_text())
    result["processes_ended"] = ended
    result["seconds"] = round(time.perf_counter() - start_time, 1)
    result |= {
        "seed": seed,
        "cpu_seconds_allowed": ALARM_SECONDS,
        "extra_bytes_allowed": EXTRA_BYTES,
        "max_bytes": MAX_BYTES,
    }
    result |= {"commit": commit, "python": platform.python_version(), "machine": platform.machine()}
    result["versions"] = {name: importlib.metadata.version(name) for name in PACKAGES}
    out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({key: value for key, value in result.items() if key != "findings"}, indent=1))


def child(record: Path, *, start: int, stop: int, seed: int) -> None:
    """Try the files ``start`` to ``stop`` and update the record after each."""
    torch.set_num_threads(1)
    bases = make_bases(record.parent)
    path, picture = record.parent / "damaged.cmp", record.parent / "picture.png"
    compare_storage(bases["integers/auto"][2], picture=picture)
    counts: dict[str, Any] = json.loads(record.read_text()) if record.exists() else _empty_record()
    peak = _limit_memory()
    signal.signal(signal.SIGPROF, _raise_hang)
    names = list(bases)
    with (record.parent / "current").open("w") as current:
        for number in range(start, stop):
            current.seek(0)
            current.write(f"{number:9d}")
            current.flush()
            name = names[number % len(names)]
            data, right, _ = bases[name]
            rng = random.Random(f"{seed} {number}")
            kind = MIX[number // len(names) % len(MIX)]
            damaged, repaired = kind(data, rng)
            path.write_bytes(damaged)
            expected = None if repaired else right
            readers: dict[str, Callable[[Path], dict[str, Tensor] | None]] = {"inspect": _inspect}
            if not name.startswith("golden/codecs"):
                readers["load"] = _load
            if number % COMPARE_EVERY == 0:
                readers["compare"] = partial(_compare, picture=picture)
            for reader, read in readers.items():
                begin = time.process_time()
                outcome = attempt(partial(read, path), expected=expected, right=right)
                seconds = time.process_time() - begin
                if seconds > counts["slowest"]["seconds"]:
                    slowest = {"file": number, "base": name, "mutation": kind.__name__, "reader": reader}
                    counts["slowest"] = {"seconds": round(seconds, 3), **slowest}
                outcomes = counts["outcomes"][reader]
                outcomes[outcome["kind"]] = outcomes.get(outcome["kind"], 0) + 1
                if outcome["kind"] == "finding":
                    finding = {"file": number, "base": name, "mutation": kind.__name__, "reader": reader, **outcome}
                    counts["num_findings"] += 1
                    counts["findings"] = [*counts["findings"], finding][:KEPT_FINDINGS]
                    print(json.dumps(finding), flush=True)
                if reader == "inspect" and outcome["kind"] == "error" and number // len(names) % LOAD_EVERY:
                    break
            counts["files"] += 1
            counts["by_mutation"][kind.__name__] = counts["by_mutation"].get(kind.__name__, 0) + 1
            grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - peak
            counts["peak_memory_above_baseline_bytes"] = max(counts["peak_memory_above_baseline_bytes"], grown)
            counts["bases"] = names
            record.write_text(json.dumps(counts))
            if (number + 1) % 500 == 0:
                print(f"{number + 1} of {stop}, {counts['num_findings']} findings, {grown >> 20} MiB", flush=True)


def attempt(read: Any, *, expected: dict[str, Tensor] | None, right: dict[str, Tensor]) -> dict[str, str]:
    """Return the result of reading a damaged file: error, right tensors, other tensors, text, or a finding."""
    faulthandler.dump_traceback_later(EXIT_SECONDS, exit=True)
    signal.setitimer(signal.ITIMER_PROF, ALARM_SECONDS)
    try:
        state = read()
    except InputError as error:
        message = str(error)
        if not message or len(message.splitlines()) > 1 or not message.isprintable():
            return {"kind": "finding", "what": f"a message that is not one printable line: {message[:200]!r}"}
        return {"kind": "error"}
    except Hang:
        return {
            "kind": "finding",
            "what": f"over {ALARM_SECONDS} s of computing",
            "traceback": traceback.format_exc()[-1500:],
        }
    except Exception as error:  # noqa: BLE001 - any other exception is a finding
        return {"kind": "finding", "what": repr(error)[:300], "traceback": traceback.format_exc()[-1500:]}
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        faulthandler.cancel_dump_traceback_later()
    if state is None:
        return {"kind": "text"}
    if state.keys() == right.keys() and all(_same(state[name], right[name]) for name in right):
        return {"kind": "right tensors"}
    if expected is not None:
        return {"kind": "finding", "what": "other tensors though no checksum was repaired"}
    return {"kind": "other tensors, checksum repaired"}


def make_bases(folder: Path) -> dict[str, tuple[bytes, dict[str, Tensor], Path]]:
    """Return valid files by name, with their tensors: every codec on floats and on integers, and two families."""
    model = make_narrow_vgg()
    integers, plan = make_integers(model)
    residual = mobilenet_v2(num_classes=3, width_mult=0.01).eval()
    residual.load_state_dict({name: value * 0 + 0.5 for name, value in residual.state_dict().items()})
    about = {"target": "compression.models.mobilenet_v2.mobilenet_v2", "kwargs": {"width_mult": 0.01}, "num_classes": 3}
    paths = {}
    for codec in ("auto", *CODECS):
        path = paths[f"folded/{codec}"] = folder / f"folded_{codec}.cmp"
        save_artifact(path, model, **ABOUT, codec=codec, fold_bn=True)
        path = paths[f"integers/{codec}"] = folder / f"integers_{codec}.cmp"
        save_artifact(path, integers, **ABOUT, codec=codec, plan=plan)
    priced, plan = make_integers(model, rdoq_lambda=0.01)
    path = paths["priced/auto"] = folder / "priced.cmp"
    save_artifact(path, priced, **ABOUT, plan=plan)
    paths["norms/auto"] = folder / "norms.cmp"
    save_artifact(paths["norms/auto"], model, **ABOUT)
    paths["residual/auto"] = folder / "residual.cmp"
    save_artifact(paths["residual/auto"], residual, **{**ABOUT, "architecture": about})
    paths |= {f"golden/{path.stem}": path for path in sorted(GOLDEN.glob("v*/*.cmp"))}
    return {name: (path.read_bytes(), read_contents(path).decode(), path) for name, path in paths.items()}


def _load(path: Path) -> dict[str, Tensor]:
    return load_artifact(path, max_bytes=MAX_BYTES).model.state_dict()


def _compare(path: Path, *, picture: Path) -> None:
    compare_storage(path, picture=picture, max_bytes=MAX_BYTES)


def _inspect(path: Path) -> dict[str, Tensor]:
    inspect_file(path, max_bytes=MAX_BYTES)
    return read_contents(path).decode(max_bytes=MAX_BYTES)


def _same(actual: Tensor, expected: Tensor) -> bool:
    if (actual.dtype, actual.shape) != (expected.dtype, expected.shape):
        return False
    return actual.numel() == 0 or torch.equal(
        actual.reshape(-1).view(torch.uint8), expected.reshape(-1).view(torch.uint8)
    )


def _empty_record() -> dict[str, Any]:
    return {
        "files": 0,
        "num_findings": 0,
        "outcomes": {"load": {}, "inspect": {}, "compare": {}},
        "by_mutation": {},
        "slowest": {"seconds": 0.0},
        "peak_memory_above_baseline_bytes": 0,
        "findings": [],
    }


def _limit_memory() -> int:
    """Limit the address space to 1 GiB above its current size; return the peak resident memory so far, in bytes."""
    limit = psutil.Process().memory_info().vms + EXTRA_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _raise_hang(*_: object) -> None:
    raise Hang


def _commit() -> str:
    done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return done.stdout.strip()


if __name__ == "__main__":
    if sys.argv[1] == "--child":
        child(Path(sys.argv[2]), start=int(sys.argv[3]), stop=int(sys.argv[4]), seed=int(sys.argv[5]))
    else:
        num_files, seed = [*map(int, sys.argv[2:]), *(20_000, 0)[len(sys.argv) - 2 :]]
        main(Path(sys.argv[1]), num_files=num_files, seed=seed)
