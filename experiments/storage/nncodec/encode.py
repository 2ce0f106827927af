"""NNCodec (ISO/IEC 15938-17) on a float state dict: bytes, times and decoded tensors.

usage: python experiments/storage/nncodec/encode.py STATE.safetensors OUT_FOLDER --qp -32 -28 -24 [--bnf ...]

Runs in the environment of requirements.txt, not in that of the project. For each qp it writes OUT_FOLDER/NAME.nnc, the
decoded OUT_FOLDER/NAME.safetensors and a row of OUT_FOLDER/rows.json, which measure.py reads. It counts the bytes of
NAME.nnc and decodes this file three times. ``num_batches_tracked`` is left out, because no network here uses it.
"""

import argparse
import contextlib
import io
import json
import os
import platform
import statistics
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

# Set this before numpy and torch read it.
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np
import torch
from batch_norm import State, describe_blocks, unfold
from safetensors.numpy import load_file, save_file

PACKAGES = ("nncodec", "numpy", "torch", "torchvision", "safetensors")


def import_codec() -> Any:
    """Return ``nncodec.nnc``. Its package imports torchvision for datasets that are not used here.

    A torchvision built for CUDA fails to import with a CPU build of torch, because two operators that it describes are
    missing. So this function defines them.
    """
    try:
        import torchvision  # noqa: F401
    except RuntimeError:
        library = torch.library.Library("torchvision", "DEF")
        for operator in ("nms", "qnms"):
            library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        import_codec.library = library  # type: ignore[attr-defined]
    from nncodec import nnc

    return nnc


def read(path: Path) -> State:
    """Return the tensors of a state dict; raise ``ValueError`` unless all are float32 with at least one dimension."""
    state = {name: value for name, value in load_file(path).items() if not name.endswith("num_batches_tracked")}
    for name, value in state.items():
        if value.dtype != np.float32 or value.ndim == 0:
            raise ValueError(f"{name}: {value.dtype} with {value.ndim} dimensions; allowed: float32 with 1 or more")
    return state


def spread_qp(state: State, qp: int, strength: float, density: int) -> dict[str, np.int32]:
    """Return a qp for each weight; the step is proportional to its standard deviation to the power ``strength``."""
    spreads = {name: float(value[value != 0].std()) for name, value in state.items() if value.ndim > 1}
    middle = statistics.median(spreads.values())
    steps = {name: strength * np.log2(spread / middle) * 2**density for name, spread in spreads.items()}
    return {name: np.int32(qp + round(step)) for name, step in steps.items()}


def encode(nnc: Any, state: State, options: dict[str, Any]) -> bytes:
    """Return the bitstream of ``state``."""
    options = dict(options)
    strength = options.pop("spread")
    if strength:
        options["qp_per_tensor"] = spread_qp(state, options["qp"], strength, options["qp_density"])
    with contextlib.redirect_stdout(io.StringIO()):
        coded = nnc.compress(
            {name: value.copy() for name, value in state.items()},
            bitstream_path=None,
            return_bitstream=True,
            block_id_and_param_type=describe_blocks(state) if options["bnf"] else None,
            **options,
        )
    return bytes(coded)


def decode(nnc: Any, path: Path, names: State, *, folded: bool) -> State:
    """Return the state dict in the file ``path``. ``names`` gives its names and shapes."""
    # NNCodec accepts a bytearray or a path, not bytes.
    data = bytearray(path.read_bytes())
    with contextlib.redirect_stdout(io.StringIO()):
        decoded = nnc.decompress(data, reconstruct_bnf=False, reconstruct_lsa=folded)
    return unfold(decoded, names) if folded else decoded


def measure(nnc: Any, state: State, options: dict[str, Any], target: Path) -> dict[str, Any]:
    """Return bytes and seconds of one setting; write TARGET.nnc and the decoded TARGET.safetensors."""
    begun = time.perf_counter()
    coded = encode(nnc, state, options)
    encode_s = time.perf_counter() - begun
    path = target.with_name(target.name + ".nnc")
    path.write_bytes(coded)
    seconds = []
    for _ in range(3):
        begun = time.perf_counter()
        decoded = decode(nnc, path, state, folded=options["bnf"])
        seconds.append(time.perf_counter() - begun)
    assert {name: value.shape for name, value in decoded.items()} == {name: v.shape for name, v in state.items()}
    assert all(np.isfinite(value).all() for value in decoded.values())
    save_file(
        {name: np.ascontiguousarray(value) for name, value in decoded.items()},
        target.with_name(target.name + ".safetensors"),
    )
    return {
        "name": target.name,
        "qp": options["qp"],
        "settings": {name: value for name, value in options.items() if name != "qp"},
        "bytes": path.stat().st_size,
        "encode_s": round(encode_s, 2),
        "decode_s": round(statistics.median(seconds), 3),
    }


def main() -> None:
    """Encode with every qp, and write the rows so far after each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("state", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--qp", type=int, nargs="+", required=True, help="quantization of weights")
    parser.add_argument("--qp-density", type=int, default=2, help="2**this many steps of qp double the step size")
    parser.add_argument("--nonweight-qp", type=int, default=-75, help="qp of biases, normalization and scales")
    parser.add_argument("--no-dq", action="store_true", help="without dependent (trellis-coded) quantization")
    parser.add_argument("--no-param-opt", action="store_true", help="without a search for the coder's parameters")
    parser.add_argument("--no-row-skipping", action="store_true", help="without a flag for rows of zeros")
    parser.add_argument("--opt-qp", action="store_true", help="NNCodec's own adjustment of qp by layer")
    parser.add_argument("--bnf", action="store_true", help="batch norm folded to a scale and a bias of each channel")
    parser.add_argument("--lambda-scale", type=float, default=0.0, help="rate-distortion optimization, 0 is off")
    parser.add_argument("--codebook", action="store_true", help="codebooks, if they are shorter")
    parser.add_argument("--scan-order", type=int, default=0, help="0: by rows; 1 to 4: in blocks")
    parser.add_argument("--unary", type=int, default=10, help="values coded by context bits before Golomb codes")
    parser.add_argument("--spread", type=float, default=0.0, help="scale steps by each layer's deviation to this power")
    parser.add_argument("--tag", default="", help="prefix of the names of these rows")
    given = parser.parse_args()
    torch.set_num_threads(1)
    nnc, state = import_codec(), read(given.state)
    given.out.mkdir(parents=True, exist_ok=True)
    rows_file = given.out / "rows.json"
    for qp in given.qp:
        options = {
            "qp": qp,
            "qp_density": given.qp_density,
            "nonweight_qp": given.nonweight_qp,
            "use_dq": not given.no_dq,
            "param_opt": not given.no_param_opt,
            "row_skipping": not given.no_row_skipping,
            "opt_qp": given.opt_qp,
            "bnf": given.bnf,
            "lambda_scale": given.lambda_scale,
            "codebook_mode": 2 if given.codebook else 0,
            "scan_order": given.scan_order,
            "cabac_unary_length_minus1": given.unary,
            "spread": given.spread,
        }
        row = measure(nnc, state, options, given.out / f"{given.tag}qp{qp}")
        made = json.loads(rows_file.read_text()) if rows_file.exists() else {"rows": []}
        made["versions"] = {"python": platform.python_version()} | {name: version(name) for name in PACKAGES}
        made["rows"] = [one for one in made["rows"] if one["name"] != row["name"]] + [row]
        rows_file.write_text(json.dumps(made, indent=1) + "\n")
        print(row["name"], row["bytes"], row["encode_s"], row["decode_s"], flush=True)


if __name__ == "__main__":
    main()
