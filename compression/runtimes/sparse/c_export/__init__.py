"""A network as C source: tables of constants, and the kernels of the sparse engine for one image."""
