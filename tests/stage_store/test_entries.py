import os

from compression.stage_store.entries import list_entries, spread_use
from compression.stage_store.store import Store


def test_the_use_of_a_stage_counts_for_its_parents(shelf):
    old = shelf.put("dense", "old dense", days=9)
    shelf.put("prune", "young prune", days=1, parents=[old])
    shelf.put("dense", "dense", days=5)
    names = {key.id: label for label, key in shelf.keys.items()}
    assert [names[entry.id] for entry in spread_use(list_entries(shelf.root))] == ["dense", "young prune", "old dense"]


def test_the_modification_time_of_a_folder_is_its_last_use(shelf):
    shelf.put("dense", "dense", days=9)
    assert shelf.entry("dense").used == shelf.now - 9 * 24 * 3600
    record = shelf.root / shelf.keys["dense"].name / "stage.json"
    before = record.stat().st_mtime_ns
    store = Store(shelf.root, invocation="test")
    assert store.obtain(shelf.keys["dense"], None).reused
    store.release()
    assert shelf.entry("dense").used > shelf.entry("dense").made - 1
    assert record.stat().st_mtime_ns == before


def test_the_last_use_of_interrupted_work_is_its_newest_checkpoint(shelf):
    shelf.interrupt("dense", "killed")
    folder = shelf.entry("killed").path
    old, new = shelf.now - 9 * 24 * 3600, shelf.now - 60
    for path in (*folder.rglob("*"), folder):
        os.utime(path, (old, old))
    assert shelf.entry("killed").used == old
    os.utime(folder / "resume" / "last.ckpt", (new, new))
    assert shelf.entry("killed").used == new
