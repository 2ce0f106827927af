from pathlib import Path

from compression.config.sweep_environment import JOINED
from compression.run.ranks import is_helper, joined_stage, local_rank


def test_a_process_that_the_run_did_not_start_is_not_a_helper(monkeypatch):
    monkeypatch.delenv(JOINED, raising=False)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert (local_rank(), is_helper()) == (0, False)


def test_a_helper_knows_its_rank_and_the_stage_it_joins(monkeypatch):
    monkeypatch.setenv(JOINED, "/store/dense-1.partial")
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert (local_rank(), is_helper()) == (1, True)
    assert joined_stage() == Path("/store/dense-1.partial")
    # The run itself has rank 0.
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert not is_helper()
