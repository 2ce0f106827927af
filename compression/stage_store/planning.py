"""A store that makes nothing: it says which stages are finished and which would be made."""

from collections.abc import Callable
from pathlib import Path

from compression.stage_store.store import Made, StageKey, StageRecord, Store


class PlanningStore(Store):
    """A read-only view of a store, for ``plan=true`` and for the plan of a sweep."""

    def __init__(self, store: Store) -> None:
        super().__init__(store.root, invocation=store.invocation, overwrite=store.overwrite, made_with=store.made_with)

    def obtain(self, key: StageKey, make: Callable[[Path], Made]) -> StageRecord:
        """Return the finished stage of ``key``, or a record with ``planned`` set and no results."""
        del make
        path = self.root / key.name
        return self.find(key) or StageRecord(key, path, {}, 0.0, reused=False, made_with={}, planned=True)
