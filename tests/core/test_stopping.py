"""Signals that end a process in order."""

import os
import signal

import pytest

from compression.core.stopping import Stopped, stop_in_order


@pytest.fixture(autouse=True)
def handlers():
    """What signals do is not left to other tests."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def test_signals_to_end_are_as_from_the_keyboard():
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop_in_order()
    with pytest.raises(Stopped, match="stopped by SIGTERM"):
        os.kill(os.getpid(), signal.SIGTERM)
    # As under nohup.
    os.kill(os.getpid(), signal.SIGHUP)
