"""Kept memory: tensors of a size that was freed before need no new pages."""

import os
import platform
import subprocess
import sys

import pytest

SCRIPT = """
import resource, torch
from compression.system.freed_memory import keep_freed_memory
keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        torch.ones(64 << 18)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(faults())
"""
# Eight tensors of 64 MiB each.
PAGES = 8 * (64 << 20) // os.sysconf("SC_PAGE_SIZE")
pytestmark = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has these settings")


def count_faults(**settings):
    done = subprocess.run([sys.executable, "-c", SCRIPT], env=os.environ | settings, capture_output=True, text=True)
    return int(done.stdout)


def test_freed_memory_is_used_again():
    # One tensor may still need new pages, where the free ones do not lie together.
    assert count_faults() <= PAGES / 4


def test_a_setting_of_the_user_is_kept():
    # Huge pages need fewer faults than small ones, so only the ratio counts.
    assert count_faults(MALLOC_MMAP_THRESHOLD_="131072") > 2 * count_faults()
