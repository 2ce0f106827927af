"""A fixture for stores whose stages have known sizes and times."""

import os

import pytest

from compression.stage_store.cleaning import Rules, plan_cleaning
from compression.stage_store.entries import list_entries
from compression.stage_store.store import Made, StageKey, Store

DAY = 24 * 3600


class Shelf:
    """A store to fill with stages of given sizes, last used a given number of days ago."""

    OVERHEAD = 700  # a stage.json has 300 to 700 bytes

    def __init__(self, folder, now=1_800_000_000):
        self.outputs, self.root, self.now = folder, folder / "store", now
        self.keys = {}

    def put(self, stage, label, *, num_bytes=1000, days=0.0, parents=()):
        """Make a stage with a file of ``num_bytes``, last used ``days`` ago. Return its id."""
        key = StageKey(stage, 1, {"label": label}, tuple(parents))
        self.keys[label] = key

        def make(folder):
            (folder / "weights").write_bytes(bytes(num_bytes))
            return Made({})

        store = Store(self.root, invocation="test")
        path = store.obtain(key, make).path
        store.release()
        os.utime(path, (self.now - days * DAY,) * 2)
        return key.id

    def interrupt(self, stage, label):
        """Leave the partial folder that a killed process leaves. Return the stage's id."""
        key = StageKey(stage, 1, {"label": label})
        self.keys[label] = key

        def make(folder):
            (folder / "resume" / "last.ckpt").write_bytes(bytes(50))
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            Store(self.root, invocation="test").obtain(key, make)
        return key.id

    def labels(self):
        """Return the label of each stage's folder, with the suffix that follows its id."""
        names = {key.name: label for label, key in self.keys.items()}
        found = [path.name.partition(".") for path in self.root.iterdir() if not path.name.startswith(".")]
        return sorted(f"{names[name]}{dot}{rest}" for name, dot, rest in found)

    def entry(self, label):
        """Return the store's entry of the stage with this label."""
        return next(entry for entry in list_entries(self.root) if entry.name == self.keys[label].name)

    def plan(self, references=(), **rules):
        """Return the removals that ``rules`` ask for: label, reason, whether the stage is in use."""
        found = plan_cleaning(self.root, references=set(references), rules=Rules(**rules), now=self.now)
        names = {key.name: label for label, key in self.keys.items()}
        return [(names[one.entry.name], one.reason, one.in_use) for one in found]


@pytest.fixture
def shelf(tmp_path):
    return Shelf(tmp_path)
