"""Run one short compression of each of forty classifiers of timm and torchvision, and write a table of the results."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
# Name, size of the images in pixels, and further arguments.
TORCHVISION = (
    ("squeezenet1_1", 64),
    ("shufflenet_v2_x0_5", 64),
    ("mobilenet_v3_small", 64),
    ("mnasnet0_5", 64),
    ("efficientnet_b0", 64),
    ("regnet_y_400mf", 64),
    ("resnet18", 64),
    ("densenet121", 64),
    ("googlenet", 128),
    ("inception_v3", 299),
    ("swin_t", 64),
)
TIMM = (
    ("resnet10t", 64),
    ("test_vit", 64, "+model.img_size=64"),
    ("test_convnext", 64),
    ("vit_tiny_patch16_224", 64, "+model.img_size=64"),
    ("deit_tiny_distilled_patch16_224", 64, "+model.img_size=64"),
    ("maxvit_rmlp_pico_rw_256", 64, "+model.img_size=64"),
    ("swinv2_cr_tiny_ns_224", 64, "+model.img_size=64"),
    ("skresnet18", 64),
    ("dla46_c", 64),
    ("ghostnet_050", 64),
    ("tf_efficientnetv2_b0", 64),
    ("mobilenetv4_conv_small", 64),
    ("repvgg_a0", 64),
    ("mobileone_s0", 64),
    ("fastvit_t8", 64),
    ("starnet_s1", 64),
    ("test_nfnet", 64),
    ("convnextv2_atto", 64),
    ("inception_next_atto", 64),
    ("poolformer_s12", 64),
    ("mobilevit_xxs", 64),
    ("edgenext_xx_small", 64),
    ("levit_128s", 224),
    ("mixer_s32_224", 64, "+model.img_size=64"),
    ("xcit_nano_12_p16_224", 64, "+model.img_size=64"),
    ("pvt_v2_b0", 64),
    ("test_mambaout", 64),
    ("test_byobnet", 64),
    ("hardcorenas_a", 64),
)
NETWORKS = [
    *(("torchvision", name, size, ()) for name, size in TORCHVISION),
    *(("timm", name, size, tuple(more)) for name, size, *more in TIMM),
]
SETTINGS = (
    "data=image_folder data.batch_size=8 training.epochs=1 training.optimizer.lr=0.001 strategy=oneshot_l1 "
    "strategy.recovery.epochs=0 sparsity=0.5 bits=8 quantization.calibration_batches=1 threads=1 "
    "runtime.engines=[onnxruntime] runtime.batch_sizes=[1] runtime.repeats=1 runtime.warmup=0 "
    "runtime.peak_memory=false storage=dense analysis=none until=evaluate"
)
# Opens both files without this package's training code, and compares their logits.
READ = """
import json, sys
import numpy as np, onnxruntime, torch
import compression
folder, size = sys.argv[1], int(sys.argv[2])
images = np.random.default_rng(0).normal(size=(3, 3, size, size)).astype(np.float32)
model = compression.load(f"{folder}/model.cmp", allow=["torchvision"])
with torch.no_grad():
    ours = model(torch.from_numpy(images)).numpy()
# Without optimizations ONNX Runtime computes what the file says. Fused kernels round in other places.
options = onnxruntime.SessionOptions()
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
session = onnxruntime.InferenceSession(f"{folder}/model.onnx", options, providers=["CPUExecutionProvider"])
theirs = session.run(None, {"input": images})[0]
error = float(np.abs(ours - theirs).max() / max(np.abs(ours).max(), 1e-9))
print(json.dumps({"logits": list(ours.shape), "relative_difference": error}))
"""


def main() -> None:
    """Run what is asked for and write ``results.json`` and ``table.md``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], help="names of networks; all by default")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent)
    parser.add_argument("--timeout", type=float, default=900, help="seconds for each network")
    arguments = parser.parse_args()
    file = arguments.out / "results.json"
    rows = {row["name"]: row for row in json.loads(file.read_text())} if file.exists() else {}
    for library, name, size, more in NETWORKS:
        if (arguments.only and name not in arguments.only) or (not arguments.only and name in rows):
            continue
        rows[name] = run(library, name, size, more, timeout=arguments.timeout)
        print(rows[name], flush=True)
        order = [one[1] for one in NETWORKS if one[1] in rows]
        file.write_text(json.dumps([rows[one] for one in order], indent=1) + "\n")
        (arguments.out / "table.md").write_text(make_table([rows[one] for one in order]))


def run(library: str, name: str, size: int, more: tuple[str, ...], *, timeout: float) -> dict:
    """Return the row of one network: ``works``, ``refused`` with the line, ``failed`` or ``too slow``."""
    model = (
        ["model=timm", f"model.name={name}"]
        if library == "timm"
        else ["model=custom", f"model._target_=torchvision.models.{name}"]
    )
    row = {"name": name, "library": library, "image_size": size, "trained": False}
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        root, out = Path(folder) / "images", Path(folder) / "out"
        write_images(root)
        command = [*model, *more, *SETTINGS.split(), f"data.root={root}", f"data.image_size={size}"]
        command += [f"output_dir={out}", "name=run"]
        # Nothing is remembered, so that every row includes the first check.
        environment = {**os.environ, "COMPRESSION_CHECK_CACHE": str(Path(folder) / "checks")}
        try:
            done = subprocess.run(
                [sys.executable, str(ROOT / "train.py"), *command],
                capture_output=True,
                text=True,
                timeout=timeout,
                cwd=folder,
                env={**environment, "PYTHONPATH": str(ROOT)},
                check=False,
            )
        except subprocess.TimeoutExpired:
            return row | {"result": "too slow", "seconds": round(time.monotonic() - started, 1)}
        row["seconds"] = round(time.monotonic() - started, 1)
        row["trained"] = any((out / "store").glob("dense-*"))
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        if "Traceback (most recent call last)" in done.stderr:
            return row | {"result": "failed", "line": lines[-1][:300]}
        if done.returncode:
            return row | {"result": "refused", "line": lines[-1][:500]}
        # A line of the log begins with its time.
        said = [line.partition("  ")[2] for line in done.stdout.splitlines()]
        row["notes"] = [line for line in said if line.startswith(("check  ", "quantize  left"))]
        read = subprocess.run(
            [sys.executable, "-c", READ, str(out / "run"), str(size)],
            capture_output=True,
            text=True,
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            check=False,
        )
        if read.returncode:
            return row | {"result": "failed", "line": read.stderr.strip().splitlines()[-1][:300]}
        return row | {"result": "works", **json.loads(read.stdout.splitlines()[-1])}


def write_images(root: Path) -> None:
    """Write twenty-eight noisy images of two classes, of 64 pixels."""
    rng = np.random.default_rng(0)
    for label, level in (("dark", 80), ("light", 170)):
        (root / label).mkdir(parents=True)
        for index in range(14):
            pixels = rng.normal(level, 40, (64, 64, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / label / f"{index}.png")


def make_table(rows: list[dict]) -> str:
    """Return the rows as a Markdown table."""
    lines = [
        "| network | library | pixels | result | seconds | ONNX against model.cmp |",
        "|---|---|---:|---|---:|---:|",
    ]
    for row in rows:
        difference = f"{row['relative_difference']:.1e}" if "relative_difference" in row else ""
        result = row["result"] if row["result"] == "works" else f"{row['result']}: {row.get('line', '')}"
        result = result.replace("|", "\\|")
        lines.append(
            f"| {row['name']} | {row['library']} | {row['image_size']} | {result} | {row['seconds']} | {difference} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
