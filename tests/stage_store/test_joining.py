import pytest

from compression.stage_store.joining import JoiningStore
from compression.stage_store.store import Made, StageKey, Store

KEY = StageKey("dense", 1, {"seed": 1})


class TrainingEnded(Exception):
    """Stands for the end of a training that a helper took part in."""


def test_finished_stages_are_found_as_the_run_finds_them(tmp_path):
    store = Store(tmp_path, invocation="a")
    store.obtain(KEY, lambda _: Made({"accuracy": 0.5}))
    joining = JoiningStore(store, tmp_path / "prune-1.partial")
    assert joining.obtain(KEY, lambda _: Made({})).results == {"accuracy": 0.5}


def test_a_helper_trains_from_the_joined_checkpoint_in_a_folder_that_nobody_keeps(tmp_path):
    joined, seen = tmp_path / f"{KEY.name}.partial", []
    (joined / "resume").mkdir(parents=True)
    (joined / "resume" / "last.ckpt").write_text("epoch 3")

    def make(folder):
        seen.append((folder, (folder / "resume" / "last.ckpt").read_text()))
        raise TrainingEnded

    with pytest.raises(TrainingEnded):
        JoiningStore(Store(tmp_path, invocation="a"), joined).obtain(KEY, make)
    [(folder, checkpoint)] = seen
    assert checkpoint == "epoch 3"
    assert not folder.exists()
    assert not list(tmp_path.glob("dense-*/stage.json"))


def test_a_stage_that_the_run_is_not_making_is_a_defect(tmp_path):
    store = JoiningStore(Store(tmp_path, invocation="a"), tmp_path / "prune-1.partial")
    with pytest.raises(AssertionError, match="is wanted, but"):
        store.obtain(KEY, lambda _: Made({}))
