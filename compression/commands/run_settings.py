"""The data of the run that wrote a model file, read from the configuration that the run left beside it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from compression.core.errors import InputError
from compression.core.file_names import CONFIG
from compression.data.options import DEFAULTS_OF_OTHERS
from compression.system.extras import require_packages


class UnresolvedError(InputError):
    """A recorded setting that refers to something that does not exist here, such as a variable that is not set."""


@dataclass(frozen=True)
class RunSettings:
    """Settings of a run's data: ``target`` names the class of the dataset, ``arguments`` are its arguments.

    ``cache`` is the folder of decoded images in the store of the run; None if it is gone.
    """

    target: str
    arguments: Mapping[str, Any]
    seed: int
    cache: Path | None

    @property
    def root(self) -> Path | None:
        """The folder of the images; None for a dataset without one."""
        root = self.arguments.get("root")
        return Path(root).expanduser() if isinstance(root, str) and root else None


def read_run_settings(folder: Path) -> RunSettings | None:
    """Return the settings that the run in ``folder`` recorded, or None without a record.

    Raises InputError for a damaged record, and UnresolvedError for interpolations that have no value here.
    """
    path = folder / CONFIG
    if not path.is_file():
        return None
    require_packages("omegaconf", "yaml")
    import yaml

    try:
        config = yaml.safe_load(path.read_text())
        data, seed = (_resolve(config, key, path=path) for key in ("data", "seed"))
        data = dict(data)
        arguments = {key: value for key, value in data.items() if key not in ("_target_", *DEFAULTS_OF_OTHERS)}
        target = data["_target_"]
        if type(target) is not str or type(seed) is not int:
            raise ValueError(f"data._target_={target!r:.60} and seed={seed!r:.60} are not a name and a number")
    except UnresolvedError:
        raise
    except (yaml.YAMLError, ValueError, LookupError, TypeError, RecursionError) as error:
        raise InputError(f"{path} is not the configuration of a run: {type(error).__name__}: {error}") from error
    return RunSettings(target, arguments, seed, _find_cache(folder))


def _resolve(config: Any, key: str, *, path: Path) -> Any:
    # Imported late, because it needs OmegaConf.
    from compression.run.recorded_config import resolve_recorded

    try:
        return resolve_recorded(config, key)
    except InputError as error:
        raise UnresolvedError(f"{path}: {error}; set it, or name the images with --data FOLDER") from error


def _find_cache(folder: Path) -> Path | None:
    """Return the folder of decoded images in the store beside a run, or beside the sweep that the run is a job of."""
    candidates = (parent / "store" / "data" for parent in list(folder.resolve().parents)[:2])
    return next((path for path in candidates if path.is_dir()), None)
