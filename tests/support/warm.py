"""``python train.py`` in a separate process that does not need to import PyTorch first.

Imports take ten times as long as a small run. So one process imports everything and runs nothing, and each command is a
fork of it. A command has its own arguments, environment, output and exit code, and can be killed.
"""

import atexit
import functools
import gc
import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from multiprocessing import forkserver
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, NoReturn

TRAIN = Path(__file__).resolve().parents[2] / "train.py"
_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["imported"])


@functools.cache
def _start_server() -> None:
    """Start the process that imports everything. It needs this path, because it ignores modules that it cannot find."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(TRAIN.parent), str(Path(__file__).parent)])
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


class WarmTrain:
    """A running ``train.py`` with the methods of ``Popen`` that tests use."""

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        start_new_session: bool = False,
        fork_jobs: bool = False,
    ) -> None:
        with tempfile.NamedTemporaryFile(delete=False) as file:
            self._output = Path(file.name)
        _start_server()
        self._process = _SERVER.Process(
            target=_command,
            args=(tuple(arguments), dict(env), self._output, Path.cwd(), start_new_session, fork_jobs),
        )
        self._process.start()

    @property
    def pid(self) -> int:
        """The PID of the process."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """The exit code: None while the process runs, negative if a signal ended it."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return the exit code, or None while the process runs."""
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send a signal to the process."""
        os.kill(self.pid, number)

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        """Wait for the end; return the output of both streams. After ``timeout`` seconds, kill it and raise."""
        self._process.join(timeout)
        if self.returncode is None:
            self._process.kill()
            self._process.join()
            raise subprocess.TimeoutExpired(str(TRAIN), timeout or 0, self._output.read_bytes())
        output = self._output.read_text()
        self._output.unlink()
        return output, None


def _command(
    arguments: Sequence[str], env: Mapping[str, str], output: Path, folder: Path, own_session: bool, fork_jobs: bool
) -> None:
    assert "imported" in sys.modules
    # Imported objects are never garbage. A collection would touch them and so copy their memory pages.
    gc.freeze()
    if own_session:
        os.setsid()
    os.chdir(folder)
    if fork_jobs:
        _fork_jobs()
    with output.open("wb") as stream:
        _become(arguments, env, stream)


def _become(arguments: Sequence[str], env: Mapping[str, str], output: IO[bytes]) -> NoReturn:
    """Run ``python train.py ARGUMENTS`` in this process, and exit with its exit code."""
    code: object = 0
    os.dup2(output.fileno(), 1)
    os.dup2(output.fileno(), 2)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = [str(TRAIN), *arguments]
    sys.path[:0] = [str(TRAIN.parent), *env.get("PYTHONPATH", "").split(os.pathsep)]
    try:
        runpy.run_path(str(TRAIN), run_name="__main__")
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - as Python does it
        traceback.print_exc()
        code = 1
    if code is not None and not isinstance(code, int):
        print(code, file=sys.stderr)
        code = 1
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code or 0)


def _fork_jobs() -> None:
    """Let the sweep that this process will run start its jobs as forks."""
    from compression.sweep import supervise

    supervise.subprocess = SimpleNamespace(Popen=_Job, DEVNULL=subprocess.DEVNULL, STDOUT=subprocess.STDOUT)


class _Job:
    """A forked job with the methods of ``Popen`` that the supervisor of a job uses."""

    def __init__(self, command: Sequence[str], *, stdout: IO[bytes], env: Mapping[str, str], **_: Any) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            from hydra.core.global_hydra import GlobalHydra

            # This process is a fork of the sweep, so Hydra is initialized already.
            GlobalHydra.instance().clear()
            assert Path(command[1]) == TRAIN
            _become(command[2:], env, stdout)

    def wait(self) -> int:
        """Wait for the end and return the exit code."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def kill(self) -> None:
        """Kill the job."""
        os.kill(self.pid, 9)
