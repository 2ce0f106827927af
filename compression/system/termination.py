"""Being told to stop, by a shutdown or a session that is closed: as from the keyboard, with time to tell of it."""

import signal
from types import FrameType
from typing import NoReturn


class Stopped(KeyboardInterrupt):
    """A signal told this process to end; ``number`` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


def stop_in_order() -> None:
    """Let SIGTERM and SIGHUP raise ``Stopped`` where they would end this process; what nohup ignores stays ignored."""
    for name in ("SIGTERM", "SIGHUP"):
        # Windows has no SIGHUP.
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _raise)


def _raise(number: int, frame: FrameType | None) -> NoReturn:
    del frame
    raise Stopped(number)


def find_stop(error: BaseException) -> KeyboardInterrupt | None:
    """Return what told this process to end, if ``error`` is that; Lightning makes an exit of it."""
    if isinstance(error, SystemExit) and isinstance(error.__context__, KeyboardInterrupt):
        return error.__context__
    return error if isinstance(error, KeyboardInterrupt) else None


def describe_stop(stop: KeyboardInterrupt) -> str:
    """Return in a line what it was, and what to do."""
    how = str(stop) if isinstance(stop, Stopped) else "stopped from the keyboard"
    return f"{how}; the same command goes on"


def exit_code(stop: KeyboardInterrupt) -> int:
    """Return the exit code of what a signal ended, as shells have it."""
    return 128 + (stop.number if isinstance(stop, Stopped) else signal.SIGINT)
