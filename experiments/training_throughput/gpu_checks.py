"""Commands of the product that must work on a device at all, each run as its own process with a time limit."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

ROOT = Path(__file__).resolve().parents[2]
# Networks that train in seconds. Timings of the files are not the subject here, so they are short.
_ALWAYS = ("data=digits", "runtime.repeats=2", "runtime.warmup=0", "runtime.peak_memory=false")
_FULL = ("model=resnet18", "data.stem=cifar", "training.epochs=3")
_TINY = (
    *("model=resnet18", "model.width_mult=0.125", "data.image_size=8", "data.batch_size=256", "data.num_workers=0"),
    *("training.epochs=2", "strategy.recovery.min_updates=0", "threads=1"),
)


class CheckFailed(Exception):
    """A check that failed; the message is one line."""


@dataclass(frozen=True)
class Place:
    """Where checks run: on ``device``, in ``folder``, each for at most ``limit`` seconds; ``tiny`` for a dry run."""

    folder: Path
    device: str
    tiny: bool
    limit: float

    def command(self, *overrides: str, sweep: bool = False, output_dir: Path | None = None) -> list[str]:
        """Return the command line of ``train.py`` with ``overrides``."""
        start = [sys.executable, str(ROOT / "train.py"), *(["-m"] if sweep else [])]
        trainer = "trainer=gpu" if self.device == "cuda" else "trainer=cpu"
        outputs = f"output_dir={output_dir or self.folder / 'runs'}"
        return [*start, trainer, outputs, *_ALWAYS, *(_TINY if self.tiny else _FULL), *overrides]


Check = Callable[[Place, str], str]


def run_check(place: Place, name: str) -> dict[str, Any]:
    """Return outcome, seconds, and a detail or the error line of the check ``name``."""
    started = time.monotonic()
    try:
        found = {"outcome": "ok", "detail": CHECKS[name](place, name)}
    except CheckFailed as error:
        found = {"outcome": "failed", "error": str(error)}
    # A file that a run should have written may be absent or have another content.
    except (KeyError, OSError, ValueError) as error:
        found = {"outcome": "failed", "error": f"{type(error).__name__}: {error}".splitlines()[0]}
    return found | {"seconds": round(time.monotonic() - started, 1)}


def _one_run(*overrides: str) -> Check:
    def check(place: Place, name: str) -> str:
        _finish(place, name, place.command(f"name={name}", *overrides))
        return _describe(place, place.folder / "runs" / name / "metrics.json")

    return check


def _two_jobs(place: Place, name: str) -> str:
    outputs = place.folder / name
    shutil.rmtree(outputs, ignore_errors=True)
    command = place.command("strategy=oneshot_l1", "sparsity=0.5,0.7", sweep=True, output_dir=outputs)
    _finish(place, name, command)
    found = sorted(outputs.rglob("metrics.json"))
    if len(found) != 2:
        raise CheckFailed(f"{len(found)} of 2 jobs wrote metrics.json")
    return "; ".join(_describe(place, path) for path in found)


def _killed_and_resumed(place: Place, name: str) -> str:
    killed, whole = (place.folder / name / kind for kind in ("killed", "whole"))
    shutil.rmtree(place.folder / name, ignore_errors=True)
    longer = ("strategy=none", "until=dense", f"training.epochs={4 if place.tiny else 20}", "name=run")
    # A wide gap between the first checkpoint and the end, so that the kill falls into it.
    with _started(place, name, place.command(*longer, output_dir=killed)) as process:
        while not any(killed.glob("store/dense-*.partial/resume/last.ckpt")):
            if process.poll() is not None:
                raise CheckFailed(f"the run ended before its first checkpoint: {_error_line(place, name)}")
            time.sleep(0.01)
    if _dense(killed):
        raise CheckFailed("the run had finished when it was killed")
    _finish(place, name, place.command(*longer, output_dir=killed))
    first = re.search(r"epoch (\d+)/", _log(place, name).read_text())
    if first is None or first[1] == "1":
        raise CheckFailed("the second process did not resume: it began with epoch 1, or printed no epoch")
    _finish(place, f"{name}_whole", place.command(*longer, output_dir=whole))
    return f"resumed in epoch {first[1]}; {_compare(place, _dense(killed)[0], _dense(whole)[0])}"


def _dense(outputs: Path) -> list[Path]:
    return [path.parent for path in outputs.glob("store/dense-*/stage.json") if ".partial" not in path.parent.name]


def _compare(place: Place, resumed: Path, whole: Path) -> str:
    """Return how the weights of two trainings differ. On a CPU every difference is a failure."""
    ours, its = (load_file(path / "model.safetensors") for path in (resumed, whole))
    if all(ours[key].equal(its[key]) for key in ours):
        return "weights equal those of an uninterrupted run bit for bit"
    largest = max(float((ours[key].double() - its[key].double()).abs().max()) for key in ours)
    accuracies = [json.loads((path / "stage.json").read_text())["results"]["val_accuracy"] for path in (resumed, whole)]
    shown = " and ".join(f"{100 * accuracy:.2f} %" for accuracy in accuracies)
    found = f"weights differ from an uninterrupted run by at most {largest:.2g}, validation accuracies {shown}"
    if place.device == "cpu":
        raise CheckFailed(found)
    return found


CHECKS: dict[str, Check] = {
    "training": _one_run("strategy=none"),
    "pruning": _one_run("strategy=iterative_l1", "sparsity=0.8", "strategy.recovery.epochs=1"),
    "int8": _one_run("strategy=none", "bits=8"),
    "sweep": _two_jobs,
    "resume": _killed_and_resumed,
    "channels": _one_run("strategy=oneshot_structured_l2", "sparsity=0.5"),
    "distilled_qat": _one_run(
        *("strategy=none", "bits=4", "quantization=qat", "quantization.training.epochs=1", "distillation=feature")
    ),
}


@contextmanager
def _started(place: Place, name: str, command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Run ``command`` within the block, with its output in a log; kill it and its children at the end of the block."""
    _log(place, name).parent.mkdir(parents=True, exist_ok=True)
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with _log(place, name).open("wb") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": path},
            cwd=place.folder,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _finish(place: Place, name: str, command: list[str]) -> None:
    with _started(place, name, command) as process:
        try:
            code = process.wait(timeout=place.limit)
        except subprocess.TimeoutExpired as error:
            raise CheckFailed(f"not finished after {place.limit:.0f} s; see {_log(place, name)}") from error
    if code:
        raise CheckFailed(f"exit code {code}: {_error_line(place, name)}")


def _log(place: Place, name: str) -> Path:
    return place.folder / "logs" / f"{name}.txt"


def _error_line(place: Place, name: str) -> str:
    """Return the line of a log that says what failed: the end of a traceback, or the first line with an error."""
    lines = [line.strip() for line in _log(place, name).read_text(errors="replace").splitlines() if line.strip()]
    if not lines:
        return "no output"
    if any(line.startswith("Traceback") for line in lines):
        return next(
            (line for line in reversed(lines) if re.match(r"[\w.]*(Error|Exception|Interrupt)\b", line)), lines[-1]
        )
    return next((line for line in lines if "error" in line.lower()), lines[-1])


def _describe(place: Place, metrics: Path) -> str:
    document = json.loads(metrics.read_text())
    if document["run"]["device"] != place.device:
        raise CheckFailed(f"ran on {document['run']['device']}, not on {place.device}")
    return f"accuracy {100 * document['dense']['accuracy']:.1f} to {100 * document['compressed']['accuracy']:.1f} %"
