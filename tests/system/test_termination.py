import os
import signal

import pytest

from compression.system.termination import Stopped, describe_stop, exit_code, find_stop, stop_in_order


@pytest.fixture(autouse=True)
def signals():
    """Restore the signal handlers of this process after the test."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_that_would_end_the_process_raises_stopped(number):
    signal.signal(number, signal.SIG_DFL)
    stop_in_order()
    with pytest.raises(KeyboardInterrupt, match=f"^stopped by {number.name}$") as caught:
        os.kill(os.getpid(), number)
    assert caught.value.number == number


def test_existing_signal_handlers_are_kept():
    seen = []
    signal.signal(signal.SIGTERM, lambda number, _: seen.append(number))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    stop_in_order()
    os.kill(os.getpid(), signal.SIGTERM)
    os.kill(os.getpid(), signal.SIGHUP)
    assert seen == [signal.SIGTERM]


def test_the_interrupt_behind_an_exit_is_found():
    """Lightning turns an interrupt into an exit."""
    stop = Stopped(signal.SIGTERM)
    leave = SystemExit(1)
    leave.__context__ = stop
    assert find_stop(leave) is stop
    assert find_stop(stop) is stop
    assert find_stop(SystemExit(1)) is None
    assert find_stop(ValueError()) is None


@pytest.mark.parametrize(
    ("stop", "line", "code"),
    [
        (Stopped(signal.SIGTERM), "stopped by SIGTERM; the same command continues", 143),
        (Stopped(signal.SIGHUP), "stopped by SIGHUP; the same command continues", 129),
        (KeyboardInterrupt(), "stopped from the keyboard; the same command continues", 130),
    ],
    ids=["terminated", "hung up", "keyboard"],
)
def test_message_and_exit_code(stop, line, code):
    assert describe_stop(stop) == line
    assert exit_code(stop) == code
