from types import SimpleNamespace

import pytest

from compression.run.stage import Finished, Stage, always


def stage(name, **settings):
    return Stage(name, always, lambda _, made: made[name], **settings)


def test_the_newest_network_comes_from_the_last_stage_that_left_one():
    made = Finished()
    with pytest.raises(KeyError):
        _ = made.network
    dense, table, small = (SimpleNamespace(id=name) for name in ("dense", "table", "small"))
    made.add(stage("dense", leaves_network=always), dense)
    made.add(stage("sensitivity"), table)
    assert made.network is dense
    # A stage may find nothing to change; then it leaves no network.
    made.add(stage("compact", leaves_network=lambda record: record.id == "other"), small)
    assert made.network is dense
    made.add(stage("compact", leaves_network=lambda record: record.id == "small"), small)
    assert made.network is small
    assert list(made) == ["dense", "sensitivity", "compact"]
    assert (made["sensitivity"], made.get("prune"), len(made)) == (table, None, 3)


def test_the_lineage_ends_with_the_newest_network():
    made = Finished()
    names = ("dense", "sensitivity", "prune", "compact", "pruned_export", "finetune", "dense_export")
    records = {name: SimpleNamespace(id=name) for name in names}
    made.add(stage("dense", leaves_network=always), records["dense"])
    made.add(stage("sensitivity"), records["sensitivity"])
    # Without compression, the network comes from the dense stage alone.
    assert made.lineage == [records["dense"]]
    made.add(stage("prune", leaves_network=always), records["prune"])
    made.add(stage("compact"), records["compact"])
    made.add(stage("dense_export"), records["dense_export"])
    assert made.lineage == [records[name] for name in ("dense", "sensitivity", "prune")]
    made.add(stage("pruned_export"), records["pruned_export"])
    made.add(stage("finetune", leaves_network=always), records["finetune"])
    # Files of the network before it are no step towards it.
    assert made.lineage == [records[name] for name in ("dense", "sensitivity", "prune", "compact", "finetune")]
