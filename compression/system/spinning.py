"""How long a thread that waits for another one spins before it sleeps."""

import os

# Passes of GNU OpenMP's waiting loop: about as long as it takes to wake a thread. Its own 300,000 outlast a time slice.
PASSES = 4000


def limit_spinning() -> None:
    """Let threads of this process and its children spin briefly, unless the user has decided.

    It has to be called before PyTorch is loaded, which reads these variables once.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", str(PASSES))
