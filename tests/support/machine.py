"""The machine that tests run on, as far as they choose it."""

import os

# Networks here are so small that threads wait for each other longer than they work, the more on a busy machine.
THREADS = int(os.environ.get("OMP_NUM_THREADS", "1"))
