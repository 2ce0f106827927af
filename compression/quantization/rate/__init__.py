"""Rate-distortion optimized quantization (RDOQ): rounding that weighs accuracy against the bits of an entropy coder."""
