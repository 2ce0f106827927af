"""The number of threads that tests use."""

import os

# Test networks are so small that threads wait longer than they work, most of all on a busy machine.
THREADS = int(os.environ.get("OMP_NUM_THREADS", "1"))
