"""One-line messages for wrong commands, in place of the messages of Hydra and OmegaConf."""

import errno
import os
import re
import shlex
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import BaseFileLock
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import (
    HydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from compression.config.rules import hint_at
from compression.config.schema import Config
from compression.core.errors import InputError
from compression.system.disk import DiskFullError, is_disk_full
from compression.system.extras import describe_missing, explain_import

# Choices that come with the package of an extra.
_PLUGINS = {
    "hydra/launcher=joblib": "hydra_plugins.hydra_joblib_launcher",
    "hydra/launcher=submitit_local": "hydra_plugins.hydra_submitit_launcher",
    "hydra/launcher=submitit_slurm": "hydra_plugins.hydra_submitit_launcher",
}


# Keys that only some launchers have, and a launcher with each.
_LAUNCHERS = {
    "hydra.launcher.n_jobs": "joblib",
    "hydra.launcher.partition": "slurm",
    "hydra.launcher.gpus_per_task": "slurm",
    "hydra.launcher.array_parallelism": "slurm",
}


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """End the process with ``error: ...`` for an error in the user's input. Defects of this package pass through."""
    try:
        yield
    except Exception as error:
        message = explain(error)
        if message is None:
            raise
        sys.exit(f"error: {message}")


def explain(error: BaseException) -> str | None:
    """Return the one-line message for an error in the user's input, or None for a defect of this package."""
    chain = list(_chain(error))
    for link in chain:
        if isinstance(link, (InputError, DiskFullError)):
            return str(link)
        if (missing_extra := explain_import(link)) is not None:
            return missing_extra
    if is_disk_full(error):
        file = next((link.filename for link in chain if isinstance(link, OSError) and link.filename), "a file")
        return f"the disk is full: could not write {file}; what was finished is kept"
    unlocked = next((line for link in chain if (line := _name_lockless(link)) is not None), None)
    if unlocked is not None:
        return unlocked
    of_file = next((line for link in chain if (line := _name_file(link)) is not None), None)
    if of_file is not None:
        return of_file
    if isinstance(error, InstantiationException):
        return _bad_target(error) or _failed_call(error)
    if isinstance(error, MissingConfigException):
        return _unknown_choice(error)
    if isinstance(error, OverrideParseException):
        return _unreadable(str(error.override))
    missing = next((link for link in chain if isinstance(link, MissingMandatoryValue)), None)
    if missing is not None:
        return f"{missing.full_key} is not set: give {missing.full_key}=VALUE"
    if isinstance(error, (HydraException, OmegaConfBaseException)):
        return _bad_override(chain)
    # Hydra raises a plain ValueError here, as defects do, so only the text tells them apart.
    if isinstance(error, ValueError) and str(error).startswith("Config group override must be"):
        return "null is no choice of a group such as model or experiment: must be one of its names, or be left out"
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        # Hydra and OmegaConf replace the original error by their own. For other errors only a stated cause counts:
        # a defect that occurs while an input error is handled must not be reported as that input error.
        wrapped = isinstance(error, (HydraException, OmegaConfBaseException))
        error = error.__cause__ or (error.__context__ if wrapped else None)


def _name_file(error: BaseException) -> str | None:
    """Return the line for an error of the operating system about a file, or None for another error."""
    if isinstance(error, OSError) and error.filename is not None:
        return f"{_text(error.filename)}: {(error.strerror or 'not allowed').lower()}"
    # `Path.resolve` raises this before Python 3.13.
    loop = re.fullmatch(r"Symlink loop from '(.*)'", str(error)) if isinstance(error, RuntimeError) else None
    return None if loop is None else f"{loop[1]}: {os.strerror(errno.ELOOP).lower()}"


def _name_lockless(error: BaseException) -> str | None:
    """Return the line for a lock on a file system that has none, or None for another error.

    The error of filelock does not name the file, but its traceback holds the lock.
    """
    if not isinstance(error, OSError) or error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP) or error.filename:
        return None
    owners = (frame.f_locals.get("self") for frame, _ in traceback.walk_tb(error.__traceback__))
    lock = next((one for one in owners if isinstance(one, BaseFileLock)), None)
    if lock is None and error.errno != errno.ENOLCK:
        return None
    folder = "a folder" if lock is None else Path(lock.lock_file).parent
    return f"{folder}: its file system has no file locks; must be on another one, e.g. output_dir on a local disk"


def _text(filename: object) -> str:
    # The system's functions take bytes, and numbers of open files, too.
    return os.fsdecode(filename) if isinstance(filename, (bytes, str, os.PathLike)) else f"open file {filename}"


def _unreadable(override: str) -> str:
    """Return the line for an override that Hydra's grammar does not know, with the quotes that its text needs."""
    key, _, value = override.partition("=")
    quoted = f'{key}="{value}"'
    # Brackets and quotes that do not close, and calls such as range(1, are no text.
    is_text = value != "" and re.match(r"""['"[{]|\w*\(""", value) is None
    if is_text and _reads_as(quoted, value):
        return f"cannot read {override!r}: this text needs quotes, {shlex.quote(quoted)}"
    return f"cannot read {override!r}: write key=value, e.g. sparsity=0.9"


def _reads_as(override: str, text: str) -> bool:
    try:
        return OverridesParser.create().parse_override(override).value() == text
    except HydraException:
        return False


def _unknown_choice(error: MissingConfigException) -> str:
    group, _, choice = (error.missing_cfg_file or "").rpartition("/")
    plugin = _PLUGINS.get(f"{group}={choice}")
    if plugin is not None:
        return describe_missing(plugin)
    if not error.options:
        return _first_line(str(error))
    return f"{group}={choice}: must be one of {', '.join(error.options)}{hint_at(choice, error.options)}"


def _bad_override(chain: Sequence[BaseException]) -> str:
    texts = [str(link) for link in chain]
    several = re.search(r"(?:Ambiguous value for argument|Sweep parameters) '(.*)'", texts[0])
    if several:
        return f"{several[1]}: several values are a sweep, which needs -m; a list must be written [a,b]"
    addable = re.search(r"No match in the defaults list\.\nTo append to your default list use (\S+)", texts[0])
    if addable:
        return f"{addable[1].lstrip('+')}: must be {addable[1]}"
    unknown = re.search(r"Could not override '([^']*)'", texts[0])
    if unknown and "not in" in " ".join(texts):
        key = unknown[1]
        if key in _LAUNCHERS:
            return f"{key} needs its launcher: must be given with hydra/launcher={_LAUNCHERS[key]}"
        prefix, known = _known_keys(key, chain)
        if key.removeprefix(prefix) in known:
            return f"{key} has no value to replace: must be +{key}=VALUE"
        within = f" of {prefix.removesuffix('.')}" if prefix else ""
        where = f"keys{within} are {', '.join(known)}" if known else "see --cfg job for what it takes"
        return f"unknown key {key!r}{hint_at(key.removeprefix(prefix), known, prefix=prefix)}; {where}"
    merging = re.search(r"Error merging override (.*)", texts[0])
    reason = _expected_type(texts) or _first_line(texts[-1])
    return f"{merging[1]}: {reason}" if merging else reason


def _known_keys(key: str, chain: Sequence[BaseException]) -> tuple[str, list[str]]:
    """Return the part of ``key`` that exists, e.g. ``training.``, and the keys there. It is empty at the top level."""
    if "." not in key:
        return "", list(Config.__dataclass_fields__)
    for link in chain:
        if isinstance(link, OmegaConfBaseException) and isinstance(link.parent_node, DictConfig):
            prefix = str(link.full_key).removesuffix(str(link.key))
            return (prefix, [str(name) for name in link.parent_node if name != "hydra"])
    return "", []


def _expected_type(texts: Sequence[str]) -> str | None:
    words = {"Float": "a number", "Integer": "an integer", "Boolean": "true or false"}
    for text in texts:
        wanted = re.search(r"could not be converted to (\w+)|is not a valid (\w+)", text)
        kind = (wanted[1] or wanted[2]).capitalize() if wanted else ""
        for word, plain in words.items():
            if kind.startswith(word[:4]):
                return f"must be {plain}"
    return None


def _bad_target(error: InstantiationException) -> str | None:
    """Return the line for a ``_target_`` that cannot be imported, from Hydra's text of three lines."""
    found = re.match(r"Error loading '(.+)':(?s:.*)Are you sure that (.+) is (.+)\?", str(error.__cause__))
    return None if found is None else f"_target_={found[1]}: {found[2]} is not {found[3]}"


def _failed_call(error: InstantiationException) -> str:
    """Return the line for a ``_target_`` whose call failed: its name and the error."""
    target = re.match(r"Error in call to target '(.+)'", str(error))
    cause = error.__cause__ or error
    reason = _first_line(str(cause) or type(cause).__name__)
    return reason if target is None else f"_target_={target[1]}: {reason}"


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "unknown error")
