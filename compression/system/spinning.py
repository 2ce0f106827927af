"""A limit on how long waiting OpenMP threads spin before they sleep."""

import os

# Iterations of GNU OpenMP's waiting loop: about as long as it takes to wake a thread. Its default of 300,000 takes
# longer than a time slice.
PASSES = 4000


def limit_spinning() -> None:
    """Limit how long OpenMP threads of this process and its children spin.

    Does nothing if the user has set ``OMP_WAIT_POLICY`` or ``GOMP_SPINCOUNT``. Call it before PyTorch is imported:
    OpenMP reads these environment variables only once, when it is loaded.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(PASSES))
