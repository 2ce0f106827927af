"""The parts of a run that the configuration names by ``_target_``."""

import inspect
from collections.abc import Mapping
from typing import Any

from hydra.utils import instantiate

from compression.core.errors import InputError


def make_part(settings: Mapping[str, Any], kind: type, *, key: str, **arguments: Any) -> Any:
    """Return the object that ``settings`` and ``arguments`` make.

    ``kind`` is a class or a protocol for ``isinstance``. Raises ``InputError`` with the name ``key`` if the object is
    not of this kind, or if it cannot be called as the protocol says.
    """
    part = instantiate(settings, **arguments)
    if not isinstance(part, kind) or not _is_called_like(part, kind):
        target, name = settings["_target_"], f"{kind.__module__}.{kind.__qualname__}"
        raise InputError(f"{key}._target_={target} makes an object of the class {type(part).__name__}: must be {name}")
    return part


def _is_called_like(part: Any, kind: type) -> bool:
    """Return whether ``part`` accepts the arguments of ``kind.__call__``; ``isinstance`` compares names alone."""
    expected = vars(kind).get("__call__")
    if expected is None:
        return True
    # A torch.nn.Module passes all arguments on to forward.
    function = getattr(part, "forward", part)
    try:
        accepted = inspect.signature(function)
    except ValueError:  # Some functions written in C have no signature.
        return True
    _, *parameters = inspect.signature(expected).parameters.values()
    named = {parameter.name for parameter in parameters if parameter.kind is parameter.KEYWORD_ONLY}
    try:
        accepted.bind(*parameters[: len(parameters) - len(named)], **dict.fromkeys(named))
    except TypeError:
        return False
    return True
