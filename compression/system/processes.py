"""Identity of a process across machines, and whether the process still runs.

PIDs are reused, so a PID alone does not identify a process: host and start time belong to it.
"""

import os
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

# Seconds between two heartbeats of a process, and seconds without one after which it counts as gone. SILENCE is long
# because the clocks of machines that share a disk differ, and one machine may see a write of another a minute later.
BEAT, SILENCE = 60, 900


@dataclass(frozen=True)
class Process:
    """A process of a machine.

    ``begun`` is its start time in seconds since 1970 by that machine's clock, or None if unknown.
    """

    host: str
    pid: int
    begun: float | None = None

    @property
    def is_here(self) -> bool:
        """True if the process belongs to this machine."""
        return self.host == socket.gethostname()

    def is_alive(self, sign: Path | None = None) -> bool:
        """Return whether the process may still run.

        A process on another machine counts as running if its heartbeat file ``sign`` was touched in the last
        ``SILENCE`` seconds, or if there is no ``sign`` to judge by.
        """
        if not self.is_here:
            return sign is None or time.time() - _touched(sign) < SILENCE
        try:
            process = psutil.Process(self.pid)
            # A zombie has ended; only its parent has not collected the exit status yet.
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            return self.begun is None or abs(process.create_time() - self.begun) < 1
        except psutil.AccessDenied:
            return True
        except (psutil.NoSuchProcess, OverflowError, ValueError):
            return False


def describe_process(pid: int | None = None) -> Process:
    """Return the process ``pid`` of this machine, by default the current process."""
    pid = os.getpid() if pid is None else pid
    try:
        begun = psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        begun = None
    return Process(socket.gethostname(), pid, begun)


def keep_touching(path: Path) -> threading.Event:
    """Touch ``path`` every ``BEAT`` seconds in a daemon thread, as a heartbeat of this process.

    The thread ends when the file is removed or when the returned event is set.
    """
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
