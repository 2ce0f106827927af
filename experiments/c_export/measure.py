"""Flash, RAM and time of a model as C: `python experiments/c_export/measure.py outputs/NAME/model.cmp`.

Writes results.json, of which `make results` makes the table. Each program is compiled by the system's compiler with -O2
and the flags in the table. Programs take turns, and the median of their processor time per image counts. Code is what
`size` says of model.o, without the tables. `model.onnx` beside the file runs in ONNX Runtime too: its library, the
model, and how much the resident memory of a process grows by loading both and running one image.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from compression.artifact import load_artifact
from compression.commands.convert_model import COptions
from compression.commands.convert_to_c import convert_to_c
from compression.reporting.provenance import describe_machine

ROUNDS = 5
# Prints how many bytes the process grows, and the median milliseconds of an image on one thread.
ONNXRUNTIME = """
import os, statistics, sys, time
import numpy as np

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

before = resident()
import onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
size = session.get_inputs()[0].shape[-1]
image = np.zeros((1, 3, size, size), np.float32)
session.run(None, {"input": image})
grown, times = resident() - before, []
for _ in range(300):
    start = time.process_time()
    session.run(None, {"input": image})
    times.append(1000 * (time.process_time() - start))
print(grown, statistics.median(times))
"""
VARIANTS = (
    ("none", "size", ()),
    ("none", "speed", ()),
    ("auto", "size", ()),
    ("auto", "speed", ()),
    ("8", "speed", ("-mavx2", "-mfma")),
)


def _build(path: Path, folder: Path, vector: str, optimize: str, flags: tuple[str, ...]) -> dict[str, Any]:
    """Export and compile one variant; return the fields of its row that need no clock."""
    options = COptions(vector=vector, optimize=optimize)
    convert_to_c(load_artifact(path), folder, options=options, run_folder=path.parent)
    sources = [str(name) for name in folder.glob("*.c")]
    subprocess.run(["cc", "-O2", *flags, "-c", "model.c", "-o", "model.o"], cwd=folder, check=True)
    subprocess.run(["cc", "-O2", *flags, *sources, "-o", str(folder / "a.out"), "-lm"], check=True)
    header = dict(line.split()[1:3] for line in (folder / "model.h").read_text().splitlines() if "_BYTES" in line)
    tables, memory = int(header["MODEL_TABLE_BYTES"]), int(header["MODEL_MEMORY_BYTES"])
    # Berkeley format: text with constants, data, zero-initialized data.
    text = int(subprocess.run(["size", str(folder / "model.o")], capture_output=True, text=True).stdout.split()[6])
    return {
        "vector": vector,
        "optimize": optimize,
        "flags": ["-O2", *flags],
        "table_bytes": tables,
        "code_bytes": text - tables,
        "memory_bytes": memory,
    }


def _measure_onnxruntime(path: Path) -> dict[str, Any]:
    """Return bytes, memory and time of ``model.onnx`` in ONNX Runtime."""
    import onnxruntime

    folder = Path(onnxruntime.__file__).parent / "capi"
    done = subprocess.run([sys.executable, "-c", ONNXRUNTIME, str(path)], capture_output=True, text=True, check=True)
    grown, milliseconds = done.stdout.split()
    return {
        "version": onnxruntime.__version__,
        "library_bytes": sum(file.stat().st_size for file in folder.glob("libonnxruntime.so*")),
        "model_bytes": path.stat().st_size,
        "memory_bytes": int(grown),
        "milliseconds": float(milliseconds),
    }


def main(path: Path) -> None:
    """Write results.json: a row for each variant, and ONNX Runtime's."""
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / str(index) for index in range(len(VARIANTS))]
        rows = [_build(path, folder, *variant) for folder, variant in zip(folders, VARIANTS, strict=True)]
        printed: list[list[str]] = [[] for _ in folders]
        for _ in range(ROUNDS):
            for lines, folder in zip(printed, folders, strict=True):
                lines.append(subprocess.run([str(folder / "a.out")], capture_output=True, text=True).stdout)
    for row, lines in zip(rows, printed, strict=True):
        times = sorted(float(text.split(" ms an image")[0].split()[-1]) for text in lines)
        row["milliseconds"] = {"median": statistics.median(times), "least": times[0], "most": times[-1]}
        row["images_that_agree"] = lines[0].split(" images agree")[0]
    compiler = subprocess.run(["cc", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    document = {
        "compiler": compiler,
        "processor": describe_machine()["processor"],
        "variants": rows,
        "onnxruntime": _measure_onnxruntime(path.with_name("model.onnx")),
    }
    Path(__file__).with_name("results.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
