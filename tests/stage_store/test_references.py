import errno
import json

import pytest

from compression.stage_store import references
from compression.stage_store.entries import list_entries
from compression.stage_store.references import find_references, refer, refer_only, with_needed


def test_references_of_run_folders_at_any_depth(tmp_path):
    store, run, job = (tmp_path / name for name in ("store", "run", "sweep/job"))
    for folder in (store / "data", run, job):
        folder.mkdir(parents=True)
    (run / "metrics.json").write_text(json.dumps({"run": {"stages": {"dense": "d1", "export": "e1"}}}))
    refer(job, "dense-d2")
    refer(job, "prune-p2")
    refer(job, "dense-d2")
    assert (job / "stages.txt").read_text() == "dense-d2\nprune-p2\n"
    refer(store / "data", "dense-d3")
    (tmp_path / "metrics.json").write_text("[1]")
    assert find_references([tmp_path], leave_out=store) == {"d1", "e1", "d2", "p2"}
    refer_only(job, ["dense-d4"])
    assert find_references([job], leave_out=store) == {"d4"}
    (run / "metrics.json").write_text("{")
    with pytest.raises(ValueError, match=r"metrics.json is not JSON: its references are unknown"):
        find_references([tmp_path], leave_out=store)
    (job / "stages.txt").write_bytes(b"dense-d2\n\xff\xfe")
    with pytest.raises(ValueError, match=r"stages.txt is not text: its references are unknown"):
        find_references([job], leave_out=store)
    # A run that starts in this folder continues, and writes an intact list.
    refer(job, "dense-d5")
    refer_only(job, ["dense-d5"])
    assert find_references([job], leave_out=store) == {"d5"}


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    refer(tmp_path / "run", "dense-d1")

    def walk(folder, *, onerror, **_):
        onerror(PermissionError(errno.EACCES, "Permission denied", str(folder / "run")))
        return iter(())

    monkeypatch.setattr(references.os, "walk", walk)
    with pytest.raises(ValueError, match=r"run cannot be read \(Permission denied\): its references are unknown"):
        find_references([tmp_path], leave_out=tmp_path / "store")


def test_runs_behind_a_link_are_found(tmp_path):
    outputs, disk = tmp_path / "outputs", tmp_path / "disk"
    refer(disk / "run", "dense-d1")
    outputs.mkdir()
    (outputs / "moved").symlink_to(disk)
    # Links that would not end.
    (disk / "run" / "above").symlink_to(outputs)
    (outputs / "gone").symlink_to(tmp_path / "missing")
    assert find_references([outputs], leave_out=outputs / "store") == {"d1"}


def test_evaluations_and_dense_files_of_a_run_are_kept(shelf):
    """``metrics.json`` names neither the evaluation nor the dense files."""
    dense = shelf.put("dense", "dense")
    dense_files = shelf.put("export", "dense files", parents=[dense])
    pruned = shelf.put("prune", "pruned", parents=[dense])
    files = shelf.put("export", "files", parents=[pruned])
    evaluation = shelf.put("evaluate", "evaluation", parents=[dense, dense_files, files, pruned])
    shelf.put("analyze", "analysis", parents=[evaluation])
    gone = shelf.put("prune", "gone", parents=[dense])
    gone_files = shelf.put("export", "gone files", parents=[gone])
    gone_evaluation = shelf.put("evaluate", "gone evaluation", parents=[dense, dense_files, gone_files, gone])
    shelf.put("analyze", "gone analysis", parents=[gone_evaluation])
    entries = list_entries(shelf.root)
    names = {key.id: label for label, key in shelf.keys.items()}
    kept = {names[one] for one in with_needed(entries, {dense, pruned, files})}
    assert kept == {"dense", "dense files", "pruned", "files", "evaluation", "analysis"}
    # A run that did not prune: its evaluation is of the dense files only.
    shelf.put("evaluate", "plain evaluation", parents=[dense, dense_files, dense_files])
    names = {key.id: label for label, key in shelf.keys.items()}
    kept = {names[one] for one in with_needed(list_entries(shelf.root), {dense, dense_files})}
    assert kept == {"dense", "dense files", "plain evaluation"}
