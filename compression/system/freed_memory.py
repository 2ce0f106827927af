"""Freed memory that stays with the process, so that the next tensor of that size need not ask the system for it."""

import ctypes
import os
import platform

# Settings of glibc (malloc.h). A block beyond MMAP_THRESHOLD is a separate mapping, which ends when it is freed.
_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
_LARGEST = (1 << 31) - 1
_SETTINGS_OF_THE_USER = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES")


def keep_freed_memory() -> None:
    """Let the C library keep freed memory. Does nothing without glibc, or if the user has set how memory is kept.

    By default glibc returns every block above 32 MiB to the system. The system clears each page again at its next use,
    and a training step frees and takes the same blocks: two fifths of a step of MobileNetV2 with the CIFAR stem.
    """
    if platform.libc_ver()[0] != "glibc" or any(name in os.environ for name in _SETTINGS_OF_THE_USER):
        return
    libc = ctypes.CDLL(None)
    # Some versions limit the threshold; all of them can do without mappings.
    if not libc.mallopt(_MMAP_THRESHOLD, _LARGEST):
        libc.mallopt(_MMAP_MAX, 0)
    libc.mallopt(_TRIM_THRESHOLD, _LARGEST)
