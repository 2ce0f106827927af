"""Which process did something, and whether it is still there: a number alone is given again to another."""

import os
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

# How often a process says that it is there, and after how long a silence it is taken for gone. Clocks of machines
# that share a disk differ, and what one writes another may see a minute later.
BEAT, SILENCE = 60, 900


@dataclass(frozen=True)
class Process:
    """A process of a machine. ``begun``: when it began, in seconds by that machine's clock; None where not known."""

    host: str
    pid: int
    begun: float | None = None

    @property
    def is_here(self) -> bool:
        """Whether it is one of this machine."""
        return self.host == socket.gethostname()

    def is_alive(self, sign: Path | None = None) -> bool:
        """Whether the process may still be there; one on another machine is where the file ``sign`` was touched lately.

        Without a ``sign`` that is not known, and it may be.
        """
        if not self.is_here:
            return sign is None or time.time() - _touched(sign) < SILENCE
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


def keep_touching(path: Path) -> threading.Event:
    """Touch the file now and then as long as it is there and this process is; set what is returned to stop it."""
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(BEAT):
            try:
                os.utime(path)
            except OSError:
                return

    threading.Thread(target=beat, daemon=True, name="keep-touching").start()
    return stop


def _touched(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
