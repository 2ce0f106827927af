"""Coverage-guided fuzzing of the reader (atheris, libFuzzer) behind the checksums.

usage: PYTHONPATH=.:tests/support python experiments/storage/fuzz/coverage_guided.py OUT.json CORPUS SECONDS [SEED]

Needs `pip install atheris`. An input is the header's JSON, a zero byte, and the payload. The harness packs them with
correct checksums, so that every change gets past the checks. The seeds are the golden files and small files of each
codec. Only the package is instrumented, so an input is kept if it reaches new code of the package. Allowed results are
`InputError` and tensors. Anything else is written to OUT.json, once for each place that raises it, and the run
continues.
"""

import contextlib
import json
import random
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import Any

import atheris

with atheris.instrument_imports(include=["compression"], exclude=["compression.run.pipeline"]):
    import mutations
    import torch
    from fuzz import MAX_BYTES, make_bases

    from compression.artifact import load_artifact, read_contents
    from compression.commands.inspect_model import inspect_file
    from compression.core.container import read_container, write_container
    from compression.core.errors import InputError

MAX_INPUT_BYTES = 1 << 14
SLOW_SECONDS = 1.0
LIES = (
    mutations.lie_in_header,
    mutations.swap_blocks,
    mutations.change_block,
    mutations.swap_bytes,
    mutations.lie_in_shapes,
)


def to_input(data: bytes) -> bytes:
    """Return the input of a file: its header and payload."""
    header, sections = read_container(data)
    return json.dumps(header, separators=(",", ":")).encode() + b"\0" + sections["tensors"]


def to_file(data: bytes) -> bytes | None:
    """Return the file of an input; None if its header is not a JSON object."""
    head, _, payload = data.partition(b"\0")
    with contextlib.suppress(ValueError, RecursionError):
        header = json.loads(head)
        if isinstance(header, dict):
            return write_container(header, sections={"tensors": payload})
    return None


class Harness:
    """Harness that runs inputs, counts their results and keeps findings."""

    def __init__(self, out: Path, folder: Path, *, seconds: float, seed: int) -> None:
        self.out, self.path = out, folder / "input.cmp"
        self.seconds, self.seed, self.begin = seconds, seed, time.perf_counter()
        self.counts = {"executions": 0, "no JSON": 0, "error": 0, "decoded": 0, "loaded": 0, "slow": 0}
        self.findings: dict[str, Any] = {}
        self.slowest = 0.0

    def try_one(self, data: bytes) -> None:
        """Decode, inspect and load the file of an input."""
        self.counts["executions"] += 1
        file = to_file(data)
        if file is None:
            self.counts["no JSON"] += 1
            return
        self.path.write_bytes(file)
        begin = time.perf_counter()
        try:
            read_contents(self.path).decode(max_bytes=MAX_BYTES)
            self.counts["decoded"] += 1
            inspect_file(self.path, max_bytes=MAX_BYTES)
            load_artifact(self.path, max_bytes=MAX_BYTES)
            self.counts["loaded"] += 1
        except InputError:
            self.counts["error"] += 1
        except Exception as error:  # noqa: BLE001 - any other exception is a finding
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{type(error).__name__} at {Path(frame.filename).name}:{frame.lineno}"
            if place not in self.findings:
                print(place, error, flush=True)
                self.findings[place] = {"traceback": traceback.format_exc()[-2000:], "input": data.hex()}
        seconds = time.perf_counter() - begin
        self.counts["slow"] += seconds > SLOW_SECONDS
        if seconds > self.slowest:
            self.slowest = seconds
            (self.out.parent / "slowest.bin").write_bytes(data)
        if self.counts["executions"] % 200 == 0:
            self.write()

    def write(self) -> None:
        """Write the record of this run."""
        record = {"seed": self.seed, "seconds": round(time.perf_counter() - self.begin, 1)}
        record |= {"slowest_seconds": round(self.slowest, 3), **self.counts}
        self.out.write_text(json.dumps({**record, "findings": self.findings}, indent=1) + "\n")


def mutate(data: bytes, max_size: int, seed: int) -> bytes:
    """Change bytes of the header or payload like libFuzzer, or falsify values in the header."""
    rng = random.Random(seed)
    head, _, payload = data.partition(b"\0")
    way = rng.random()
    if way < 0.4:
        return (head + b"\0" + atheris.Mutate(payload, max(1, max_size - len(head) - 1)))[:max_size]
    if way < 0.5:
        return (atheris.Mutate(head, len(head) + 64) + b"\0" + payload)[:max_size]
    file = to_file(data)
    if file is not None:
        with contextlib.suppress(Exception):
            return to_input(rng.choice(LIES)(file, rng)[0])[:max_size]
    return atheris.Mutate(data, max_size)


def main(out: Path, corpus: Path, *, seconds: int, seed: int) -> None:
    """Run for ``seconds``; then libFuzzer ends the process."""
    torch.set_num_threads(1)
    corpus.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for name, (data, _, _) in make_bases(Path(folder)).items():
            (corpus / name.replace("/", "_")).write_bytes(to_input(data))
        harness = Harness(out, Path(folder), seconds=seconds, seed=seed)
        options = [
            f"-max_total_time={seconds}",
            f"-seed={seed or 1}",
            f"-max_len={MAX_INPUT_BYTES}",
            "-timeout=30",
            "-rss_limit_mb=4096",
            "-print_final_stats=1",
            "-len_control=0",
        ]
        atheris.Setup([sys.argv[0], *options, str(corpus)], harness.try_one, custom_mutator=mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), seconds=int(sys.argv[3]), seed=int([*sys.argv, "1"][4]))
