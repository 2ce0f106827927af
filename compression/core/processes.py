"""Which process did something, and whether it is still there: a number alone is given again to another."""

import os
import socket
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Process:
    """A process of a machine. ``begun``: when it began, in seconds by that machine's clock; None where not known."""

    host: str
    pid: int
    begun: float | None = None

    def is_alive(self) -> bool:
        """Whether the process may still be there; of one on another machine that is not known."""
        if self.host != socket.gethostname():
            return True
        try:
            process = psutil.Process(self.pid)
            # What has ended and was not waited for does nothing any more.
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return self.begun is None or abs(process.create_time() - self.begun) < 1
        except psutil.AccessDenied:
            return True
        except (psutil.NoSuchProcess, OverflowError, ValueError):
            return False


def describe_process(pid: int | None = None) -> Process:
    """Return the process ``pid`` of this machine, this one if left out."""
    pid = os.getpid() if pid is None else pid
    try:
        begun = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        begun = None
    return Process(socket.gethostname(), pid, begun)
