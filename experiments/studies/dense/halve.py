"""Write a network's weights in half the bytes: kernels and matrices in 16 bits, vectors as they are.

python experiments/studies/dense/halve.py outputs/RUN/dense.safetensors mobilenet_v2.safetensors
"""

import sys

import torch
from safetensors.torch import load_file, save_file


def main() -> None:
    """Read the first file named on the command line and write the second."""
    source, target = sys.argv[1:]
    # Batch norm divides by the square root of its variances, which 16 bits hold too coarsely.
    halved = {name: value.half() if value.ndim > 1 else value for name, value in load_file(source).items()}
    lost = max((value.float() - halved[name].float()).abs().max().item() for name, value in load_file(source).items())
    save_file({name: value.contiguous() for name, value in halved.items()}, target)
    print(f"{target}: weights differ by at most {lost:.2g}; {torch.finfo(torch.float16).bits} bits")


if __name__ == "__main__":
    main()
