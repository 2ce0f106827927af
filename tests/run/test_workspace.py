import logging
import threading
from types import SimpleNamespace

import pytest

from compression.run.workspace import workspace


def context(tmp_path, released, closed=None):
    closed = [] if closed is None else closed
    store = SimpleNamespace(root=tmp_path / "store", release=lambda *, finished: released.append(finished))
    log = SimpleNamespace(close=lambda *, finished: closed.append(finished))
    return SimpleNamespace(store=store, run_dir=tmp_path / "run", log=log)


def test_stages_and_the_log_end_as_finished_only_without_an_error(tmp_path):
    released, closed = [], []
    with workspace(context(tmp_path, released, closed)):
        assert (tmp_path / "run" / ".lock").exists()
        assert not released + closed
    with pytest.raises(KeyError), workspace(context(tmp_path, released, closed)):
        raise KeyError
    assert released == closed == [True, False]


def test_a_second_run_in_the_same_folder_waits_and_logs_it(tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="compression.run.workspace")
    order, waiting = [], threading.Event()

    class Handler(logging.Handler):
        def emit(self, record):
            del record
            waiting.set()

    handler = Handler()
    logging.getLogger("compression.run.workspace").addHandler(handler)

    def second():
        with workspace(context(tmp_path, [])):
            order.append("second")

    thread = threading.Thread(target=second)
    with workspace(context(tmp_path, [])):
        thread.start()
        assert waiting.wait(60)
        order.append("first")
    thread.join(60)
    logging.getLogger("compression.run.workspace").removeHandler(handler)
    assert order == ["first", "second"]
    assert "another process is working in" in caplog.text
