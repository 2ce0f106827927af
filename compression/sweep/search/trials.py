"""The trials of a search, in Optuna's journal on disk, which several processes can share."""

import logging
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from compression.core.errors import InputError
from compression.core.seeding import derive_seed
from compression.sweep.presence import find_sign
from compression.sweep.search.space import Choices, Space, Value, tidy
from compression.system.extras import require_packages
from compression.system.processes import Process, describe_process

if TYPE_CHECKING:
    import optuna

log = logging.getLogger(__name__)

JOURNAL, LOCK = "trials.log", ".search.lock"
_JOB, _OWNER, _REASON = "job", "owner", "reason"


@dataclass(frozen=True)
class Trial:
    """A drawn configuration: a value for each key of the space."""

    number: int
    values: Mapping[str, Value]


@dataclass(frozen=True)
class Point:
    """A finished trial: the validation accuracy (a fraction) and the size of the file in bytes."""

    number: int
    job: str
    values: Mapping[str, Value]
    val_accuracy: float
    num_bytes: int


class Trials:
    """The trials in a folder. Any number of processes on the same disk can share them.

    Multi-objective TPE draws values for higher accuracy and fewer bytes (arXiv:1907.10902 describes Optuna). A draw
    depends only on ``seed`` and the earlier trials, so a stopped search continues as if it had not been stopped.
    """

    def __init__(self, folder: Path, *, space: Space, seed: int) -> None:
        self.folder, self.space, self.seed = folder, space, seed
        self._lock = FileLock(folder / LOCK)
        self._taken: dict[int, optuna.Trial] = {}
        with self.locked(), _damage_in_one_line(folder / JOURNAL):
            self._study = _open(folder / JOURNAL)
            # Everything that is needed later is read once here, so that damage is reported before anything runs.
            self.front()
            self._left()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder's trials and the files about them against other processes."""
        with self._lock:
            yield

    def take(self, *, most: int) -> Trial | None:
        """Return the next trial to run: one that a killed process left, or a new one; None if there are ``most``."""
        import optuna

        with self.locked():
            trials, left = self._study.get_trials(deepcopy=False), self._left()
            if left:
                number = left[0].number
                self._seed(number)
                # Drawn values stay. Missing ones are drawn as the killed process would have drawn them.
                trial = optuna.trial.Trial(self._study, left[0]._trial_id)
            elif len(trials) < most:
                number = len(trials)
                self._seed(number)
                trial = self._study.ask()
            else:
                return None
            trial.set_user_attr(_OWNER, asdict(describe_process()))
            self._taken[number] = trial
            return Trial(number, {key: self._draw(trial, key) for key in self.space})

    def finish(self, trial: Trial, *, job: str, val_accuracy: float, num_bytes: int) -> None:
        """Record the results of a trial."""
        self._tell(trial, {_JOB: job}, values=[val_accuracy, num_bytes])

    def fail(self, trial: Trial, *, job: str, reason: str) -> None:
        """Record the reason why a trial failed. Later draws ignore this trial."""
        self._tell(trial, {_JOB: job, _REASON: reason}, values=None)

    def front(self) -> list[Point]:
        """Return the finished trials that no other beats in both accuracy and bytes, smallest file first.

        Each configuration occurs once.
        """
        points: dict[str, Point] = {}
        for one in self._study.best_trials:
            values = {key: tidy(one.params[key], wanted) for key, wanted in self.space.items()}
            job = str(one.user_attrs[_JOB])
            points.setdefault(job, Point(one.number, job, values, one.values[0], int(one.values[1])))
        return sorted(points.values(), key=lambda point: (point.num_bytes, point.number))

    def count(self) -> tuple[int, int]:
        """Return the numbers of finished and of failed trials."""
        states = [one.state.name for one in self._study.get_trials(deepcopy=False)]
        return states.count("COMPLETE"), states.count("FAIL")

    def _left(self) -> "list[optuna.trial.FrozenTrial]":
        """Return the running trials that a killed process left."""
        trials = self._study.get_trials(deepcopy=False)
        return [one for one in trials if one.state.name == "RUNNING" and not self._is_alive(one.user_attrs.get(_OWNER))]

    def _is_alive(self, owner: Mapping[str, Any] | None) -> bool:
        if owner is None:
            return False
        process = Process(**owner)
        return process.is_alive(find_sign(self.folder, process))

    def _seed(self, *purpose: str | int) -> None:
        self._study.sampler = _make_sampler(derive_seed(self.seed, "search", *purpose))

    def _draw(self, trial: "optuna.Trial", key: str) -> Value:
        self._seed(trial.number, key)
        return tidy(_suggest(trial, key, self.space[key]), self.space[key])

    def _tell(self, trial: Trial, attributes: Mapping[str, str], *, values: Sequence[float] | None) -> None:
        import optuna

        with self.locked():
            taken = self._taken.pop(trial.number)
            state = optuna.trial.TrialState.FAIL if values is None else None
            try:
                for key, value in attributes.items():
                    taken.set_user_attr(key, value)
                self._study.tell(taken, values, state=state)
            except optuna.exceptions.UpdateFinishedTrialError:
                # This process was silent for so long that another one took the trial over, and finished it.
                log.info("trial %d was finished by another process", trial.number)


def require_optuna() -> None:
    """Raise ``InputError`` if Optuna is not installed. Silence its log messages."""
    require_packages("optuna")
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)


def _open(journal: Path) -> "optuna.Study":
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    _drop_torn_line(journal)
    return optuna.create_study(
        storage=JournalStorage(JournalFileBackend(str(journal))),
        study_name="search",
        directions=["maximize", "minimize"],
        load_if_exists=True,
    )


@contextmanager
def _damage_in_one_line(journal: Path) -> Iterator[None]:
    """Turn the errors of Optuna, which does not check a damaged journal, into an ``InputError`` of one line."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, AssertionError) as error:
        reason = f"{type(error).__name__}: {error!s:.80}"
        raise InputError(f"{journal}: cannot be read ({reason}); give another name=, or remove this file") from error


def _drop_torn_line(journal: Path) -> None:
    """Cut off an incomplete last line that a crash left. Otherwise the journal could not be read or continued."""
    if journal.exists() and not (data := journal.read_bytes()).endswith(b"\n"):
        os.truncate(journal, data.rfind(b"\n") + 1)


def _make_sampler(seed: int) -> "optuna.samplers.BaseSampler":
    import optuna

    with warnings.catch_warnings():
        # The constant liar keeps processes from drawing the same values. Before Optuna 5 it was experimental.
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(seed=seed % 2**32, constant_liar=True)


def _suggest(trial: "optuna.Trial", key: str, wanted: Any) -> Value:
    if isinstance(wanted, Choices):
        chosen: Value = trial.suggest_categorical(key, wanted.values)
        return chosen
    if wanted.is_whole:
        return trial.suggest_int(key, wanted.low, wanted.high, step=wanted.step or 1, log=wanted.log)
    return trial.suggest_float(key, wanted.low, wanted.high, step=wanted.step, log=wanted.log)
