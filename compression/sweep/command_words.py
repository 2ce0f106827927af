"""The words of a command as Hydra reads them: a flag ``-m`` comes first, and ``data.folds=K`` alone is a sweep."""

from collections.abc import Sequence

from compression.config.override_text import key_of

FOLDS, FOLD = "data.folds", "data.fold"
_MULTIRUN = ("-m", "--multirun")
# Words that make Hydra print something instead of running.
_PRINTS = ("-h", "--help", "--hydra-help", "-c", "--cfg", "-i", "--info", "-sc", "--shell-completion", "--version")


def order_words(command: Sequence[str]) -> list[str]:
    """Return ``command`` as Hydra reads it: with its flag ``-m`` first, and with the folds of ``data.folds=K``."""
    return expand_folds(lead_with_multirun(command))


def lead_with_multirun(command: Sequence[str]) -> list[str]:
    """Return ``command`` with ``-m`` or ``--multirun`` before all other words: Hydra takes it only at the ends."""
    flags = [word for word in command[1:] if word in _MULTIRUN]
    return [*command[:1], *flags[:1], *(word for word in command[1:] if word not in _MULTIRUN)]


def expand_folds(command: Sequence[str]) -> list[str]:
    """Return ``command`` with ``--multirun data.fold=1,...,K`` added, if it has ``data.folds=K`` and no ``data.fold``.

    Other commands come back unchanged. A wrong number of folds is refused later, with all other checks.
    """
    words = list(command)
    at = [index for index, word in enumerate(words) if key_of(word) == FOLDS]
    prints = any(word.partition("=")[0] in _PRINTS for word in words[1:])
    if not at or prints or any(key_of(word) == FOLD for word in words):
        return words
    number = words[at[-1]].partition("=")[2]
    if not number.isdecimal() or not 2 <= int(number) <= 100:
        return words
    multirun = [] if any(word in _MULTIRUN for word in words) else ["--multirun"]
    folds = ",".join(str(fold) for fold in range(1, int(number) + 1))
    # Overrides must stand together, and flags before or after them.
    return [words[0], *multirun, *words[1 : at[-1] + 1], f"{FOLD}={folds}", *words[at[-1] + 1 :]]
