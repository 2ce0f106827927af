"""Flash, RAM and time of a model as C: `python experiments/c_export/measure.py outputs/NAME/model.cmp`.

Each program is compiled by the system's compiler with -O2 and the flags in the table. Programs take turns, and the
median of their processor time per image is printed. Code is what `size` says of model.o, without the tables.
`model.onnx` beside the file runs in ONNX Runtime too: its library, the model, and how much the resident memory of a
process grows by loading both and running one image.
"""

import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from compression.artifact import load_artifact
from compression.commands.convert_model import COptions
from compression.commands.convert_to_c import convert_to_c

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


def _build(path: Path, folder: Path, vector: str, optimize: str, flags: tuple[str, ...]) -> list[str]:
    """Export and compile one variant; return the cells of its row that need no clock."""
    options = COptions(vector=vector, optimize=optimize)
    convert_to_c(load_artifact(path), folder, options=options, run_folder=path.parent)
    sources = [str(name) for name in folder.glob("*.c")]
    subprocess.run(["cc", "-O2", *flags, "-c", "model.c", "-o", "model.o"], cwd=folder, check=True)
    subprocess.run(["cc", "-O2", *flags, *sources, "-o", str(folder / "a.out"), "-lm"], check=True)
    header = dict(line.split()[1:3] for line in (folder / "model.h").read_text().splitlines() if "_BYTES" in line)
    tables, memory = int(header["MODEL_TABLE_BYTES"]), int(header["MODEL_MEMORY_BYTES"])
    # Berkeley format: text with constants, data, zero-initialized data.
    text = int(subprocess.run(["size", str(folder / "model.o")], capture_output=True, text=True).stdout.split()[6])
    return [f"`{vector}`", f"`{optimize}`", " ".join(flags) or "-", f"{tables:,}", f"{text - tables:,}", f"{memory:,}"]


def _measure_onnxruntime(path: Path) -> str:
    """Return a sentence about ``model.onnx`` in ONNX Runtime."""
    import onnxruntime

    folder = Path(onnxruntime.__file__).parent / "capi"
    library = sum(file.stat().st_size for file in folder.glob("libonnxruntime.so*"))
    done = subprocess.run([sys.executable, "-c", ONNXRUNTIME, str(path)], capture_output=True, text=True, check=True)
    grown, milliseconds = done.stdout.split()
    return (
        f"ONNX Runtime: library {library:,} bytes, model {path.stat().st_size:,} bytes, resident memory grows by "
        f"{int(grown):,} bytes, {float(milliseconds):.3f} ms an image"
    )


def main(path: Path) -> None:
    """Print a row per variant, and a line about ONNX Runtime."""
    with tempfile.TemporaryDirectory() as name:
        folders = [Path(name) / str(index) for index in range(len(VARIANTS))]
        rows = [_build(path, folder, *variant) for folder, variant in zip(folders, VARIANTS, strict=True)]
        printed: list[list[str]] = [[] for _ in folders]
        for _ in range(ROUNDS):
            for lines, folder in zip(printed, folders, strict=True):
                lines.append(subprocess.run([str(folder / "a.out")], capture_output=True, text=True).stdout)
    print("| vector | optimize | flags | tables, bytes | code, bytes | RAM, bytes | ms an image | images that agree |")
    print("|---|---|---|---:|---:|---:|---:|---|")
    for row, lines in zip(rows, printed, strict=True):
        median = statistics.median(float(text.split(" ms an image")[0].split()[-1]) for text in lines)
        print("|", " | ".join([*row, f"{median:.3f}", lines[0].split(" images agree")[0]]), "|")
    print(_measure_onnxruntime(path.with_name("model.onnx")))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
