"""Clean shutdown on SIGTERM and SIGHUP, as on Ctrl-C: the process can still report that it stopped."""

import signal
from types import FrameType
from typing import NoReturn


class Stopped(KeyboardInterrupt):
    """The exception for a signal that should end this process; ``number`` is the signal number."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


def stop_in_order() -> None:
    """Make SIGTERM and SIGHUP raise ``Stopped`` instead of ending this process at once.

    A signal that has a handler already, or is ignored (SIGHUP under nohup), is left as it is.
    """
    for name in ("SIGTERM", "SIGHUP"):
        # Windows has no SIGHUP.
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _raise)


def _raise(number: int, frame: FrameType | None) -> NoReturn:
    del frame
    raise Stopped(number)


def find_stop(error: BaseException) -> KeyboardInterrupt | None:
    """Return the interrupt behind ``error``, or None if ``error`` has another cause.

    Lightning turns an interrupt into ``SystemExit``; then the interrupt is the context of that exit.
    """
    if isinstance(error, SystemExit) and isinstance(error.__context__, KeyboardInterrupt):
        return error.__context__
    return error if isinstance(error, KeyboardInterrupt) else None


def describe_stop(stop: KeyboardInterrupt) -> str:
    """Return one line for the user: what stopped the process, and that the same command continues."""
    how = str(stop) if isinstance(stop, Stopped) else "stopped from the keyboard"
    return f"{how}; the same command continues"


def exit_code(stop: KeyboardInterrupt) -> int:
    """Return 128 plus the signal number, the exit code that shells use for a process ended by a signal."""
    return 128 + (stop.number if isinstance(stop, Stopped) else signal.SIGINT)
