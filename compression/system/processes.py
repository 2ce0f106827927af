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
# The start time is field 22 of a process, of which two come before the brackets' end.
_BOOT, _START_FIELD = Path("/proc/sys/kernel/random/boot_id"), 22 - 3


@dataclass(frozen=True)
class Process:
    """A process of a machine.

    ``begun`` is its start time in seconds since 1970 by that machine's clock, or None if unknown. ``start`` names the
    boot of the machine and the time from it to the start, which no step of the clock changes; None if unknown.
    """

    host: str
    pid: int
    begun: float | None = None
    start: str | None = None

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
            if self.start is not None and (start := _read_start(self.pid)) is not None:
                return start == self.start
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
    return Process(socket.gethostname(), pid, begun, _read_start(pid))


def keep_touching(path: Path) -> threading.Event:
    """Touch ``path`` every ``BEAT`` seconds in a daemon thread, as a heartbeat of this process.

    The thread ends when the file is removed or when the returned event is set.
    """
    stop = threading.Event()

    def beat() -> None:
        while not stop.wait(BEAT):
            try:
                os.utime(path)
            except FileNotFoundError:
                return
            except OSError:
                # A network file system may fail for a while.
                continue

    threading.Thread(target=beat, daemon=True, name="keep-touching").start()
    return stop


def _read_start(pid: int) -> str | None:
    """Return the boot of this Linux machine and the start of ``pid`` in clock ticks since; None if they are unknown."""
    try:
        boot = _BOOT.read_text().strip()
        # The name of the program comes before, in brackets, and may hold any character.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return f"{boot} {fields[_START_FIELD]}"
    except (OSError, IndexError, ValueError):
        return None


def _touched(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return 0.0
