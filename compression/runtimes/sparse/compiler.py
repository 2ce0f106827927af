"""The kernels as a shared library: built once per compiler and vector width by the system's compiler, then cached.

The text that the compiler reads is that of the package alone. Networks are tables, so nothing of a network reaches it.
"""

import ctypes
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from compression.core.errors import InputError
from compression.system.cache import find_cache
from compression.system.files import write_atomic

KERNELS = Path(__file__).parent / "kernels"
# The folder of built kernels; by default one in the user's cache.
CACHE_VARIABLE = "COMPRESSION_KERNEL_CACHE"
COMPILERS = ("cc", "gcc", "clang")
TIMEOUT_SECONDS = 120

# Products and sums may be contracted, as PyTorch's kernels do; nothing else of IEEE arithmetic is given up.
_FLAGS = ("-std=gnu11", "-O2", "-ffp-contract=fast", "-fno-math-errno", "-fPIC", "-shared")
_X86_FLAGS = {
    16: ("-mavx2", "-mfma", "-mavx512f", "-mavx512vl", "-mavx512bw", "-mavx512dq"),
    8: ("-mavx2", "-mfma"),
    4: (),
    1: (),
}


@cache
def load_kernels(vector: int, *, is_x86: bool) -> ctypes.CDLL:
    """Return the kernels for vectors of ``vector`` floats: 16, 8, 4 or 1; built if they are not in the cache.

    Raises InputError if there is no compiler, if it fails, and if the cache cannot be written.
    """
    command = find_compiler()
    flags = (*_FLAGS, f"-DVECTOR={vector}", *(_X86_FLAGS[vector] if is_x86 else ()))
    path = cache_folder() / f"kernels-{_identify(command, flags)}.so"
    if not path.is_file():
        _build(path, command, flags)
    try:
        library = ctypes.CDLL(str(path))
    except OSError as error:
        raise InputError(f"engine sparse: {path} cannot be loaded ({error}); remove it to build it again") from error
    place, count = ctypes.c_void_p, ctypes.c_int64
    library.run.argtypes = [place, count, *[place] * 4]
    library.run_shared.argtypes = [place, count, count, *[place] * 4]
    library.run_blocks.argtypes = [place, count, count, *[place] * 4, count, count, count]
    for function in (library.run, library.run_shared, library.run_blocks):
        function.restype = None
    return library


def find_compiler() -> tuple[str, ...]:
    """Return the command of a C compiler: ``CC``, a compiler of the system, or that of the package ziglang.

    Raises InputError if no compiler is found.
    """
    try:
        given = shlex.split(os.environ.get("CC", ""))
    except ValueError as error:
        raise InputError(
            f"CC={os.environ['CC']}: not a command ({error}); set CC to a C compiler, or unset it"
        ) from error
    if given:
        found = shutil.which(given[0])
        if found is None:
            raise InputError(f"CC={given[0]}: no such compiler; set CC to a C compiler, or unset it")
        return found, *given[1:]
    for name in COMPILERS:
        if found := shutil.which(name):
            return (found,)
    if find_spec("ziglang") is not None:
        return sys.executable, "-m", "ziglang", "cc"
    raise InputError(
        f"engine sparse: no C compiler ({', '.join(COMPILERS)}, or CC); install gcc, "
        'or pip install "compression[sparse]"'
    )


def cache_folder() -> Path:
    """Return the folder of built kernels, which need not exist."""
    return find_cache("kernels", variable=CACHE_VARIABLE)


def _identify(command: tuple[str, ...], flags: tuple[str, ...]) -> str:
    """Return a hash of everything that the library depends on: sources, flags and the compiler, by file and date."""
    digest = hashlib.sha256(repr((command, flags)).encode())
    compiler = Path(command[0]).resolve()
    digest.update(repr((str(compiler), compiler.stat().st_size, compiler.stat().st_mtime_ns)).encode())
    for source in sorted(KERNELS.iterdir()):
        digest.update(source.name.encode() + b"\0" + source.read_bytes())
    return digest.hexdigest()[:32]


def _build(path: Path, command: tuple[str, ...], flags: tuple[str, ...]) -> None:
    """Compile into a private folder and publish the library by a rename, so that processes may build at once."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "kernels.so"
        arguments = [*command, *flags, str(KERNELS / "run_shared.c"), "-o", str(target), "-lm", "-pthread"]
        try:
            done = subprocess.run(arguments, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise InputError(f"engine sparse: the compiler {command[0]} failed: {error}") from error
        if done.returncode or not target.is_file():
            output = (done.stderr or done.stdout).strip().splitlines() or [f"exit status {done.returncode}"]
            raise InputError(f"engine sparse: the compiler {command[0]} failed: {output[0]}")
        try:
            write_atomic(path, target.read_bytes())
        except OSError as error:
            raise InputError(
                f"engine sparse: kernels cannot be written to {path.parent} ({error.strerror}); "
                f"set {CACHE_VARIABLE} to a folder that can be written"
            ) from error
