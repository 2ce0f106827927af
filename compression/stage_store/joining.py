"""The store as a helper process sees it: it takes part in one training, and publishes nothing."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from compression.stage_store.store import RESUME, Made, StageKey, StageRecord, Store


class JoiningStore(Store):
    """A view of a store in which another process is making one stage, in the folder ``joined``.

    It takes no lock, because the process that makes the stage holds it.
    """

    def __init__(self, store: Store, joined: Path) -> None:
        super().__init__(store.root, invocation=store.invocation, overwrite=store.overwrite, made_with=store.made_with)
        self._joined = joined

    def obtain(self, key: StageKey, make: Callable[[Path], Made]) -> StageRecord:
        """Return the finished stage of ``key``; for the joined stage, run ``make`` in a temporary folder.

        The training inside ``make`` ends by an exception, because a helper has nothing to do after it.
        """
        found, joined = self.find(key), self._joined
        if found is not None:
            return found
        assert joined.name == f"{key.name}.partial", f"{key.name} is wanted, but {joined} is being made"
        with tempfile.TemporaryDirectory() as scratch:
            # All processes start from the same checkpoint; only the first one writes it.
            (Path(scratch) / RESUME).symlink_to(joined / RESUME)
            make(Path(scratch))
        raise AssertionError(f"{key.stage} has no training to join")
