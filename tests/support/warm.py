"""``python train.py`` in a process of its own that need not import PyTorch first.

Importing takes ten times as long as a small run. So one process imports, and runs nothing; each command is forked from
it. Such a command has its own arguments, environment, output and exit code, and can be killed, as any other.
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
    """Start the process that imports, with the paths of this one: it passes over what it does not find."""
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
    """A running ``train.py``, with what tests use of a ``Popen``."""

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
        """Of the process."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs; negative where a signal ended it."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """Return its exit code, None while it runs."""
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def communicate(self, timeout: float | None = None) -> tuple[str, None]:
        """Wait for its end; return what it said, on both streams."""
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
    # What is imported is no garbage: let no collection look at it, and copy it by doing so.
    gc.freeze()
    if own_session:
        os.setsid()
    os.chdir(folder)
    if fork_jobs:
        _fork_jobs()
    with output.open("wb") as stream:
        _become(arguments, env, stream)


def _become(arguments: Sequence[str], env: Mapping[str, str], output: IO[bytes]) -> NoReturn:
    """Be ``python train.py ARGUMENTS`` from here to the end of the process."""
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
    """Let the sweep that this process will run fork its jobs, too."""
    from compression.sweep import supervise

    supervise.subprocess = SimpleNamespace(Popen=_Job, DEVNULL=subprocess.DEVNULL, STDOUT=subprocess.STDOUT)


class _Job:
    """What the supervisor of a job uses of a ``Popen``."""

    def __init__(self, command: Sequence[str], *, stdout: IO[bytes], env: Mapping[str, str], **_: Any) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            from hydra.core.global_hydra import GlobalHydra

            # The sweep's, in the midst of which we are.
            GlobalHydra.instance().clear()
            assert Path(command[1]) == TRAIN
            _become(command[2:], env, stdout)

    def wait(self) -> int:
        """Return its exit code."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def kill(self) -> None:
        """Kill it."""
        os.kill(self.pid, 9)
