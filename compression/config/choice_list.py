"""What ``--help`` lists: groups with their options, a line for each experiment, and the stages."""

import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from omegaconf import OmegaConf

from compression.config.schema import STAGES

# A folder of this name holds blocks that options of a group share. They are not options.
BASE = "base"
EXPERIMENT = "experiment"


def list_choices() -> str:
    """Return a line ``group: option, option`` for each group, without Hydra's own and without bases."""
    return "\n".join(f"{group}: {', '.join(options)}" for group, options in sorted(_walk("")))


def list_experiments() -> str:
    """Return a line ``experiment=NAME  DESCRIPTION`` for each preset: the first sentence of its file's comment."""
    loader = GlobalHydra.instance().config_loader()
    names = sorted(loader.get_group_options(EXPERIMENT, ObjectType.CONFIG))
    width = max(map(len, names), default=0)
    return "\n".join(f"{EXPERIMENT}={name:<{width}}  {_describe(loader, name)}".rstrip() for name in names)


def list_stages() -> str:
    """Return the stages of a run in order, as values of ``until``."""
    return " | ".join(STAGES)


def register() -> None:
    """Make ``${choices:}``, ``${experiments:}`` and ``${stages:}`` known to OmegaConf."""
    OmegaConf.register_new_resolver("choices", list_choices, replace=True)
    OmegaConf.register_new_resolver("experiments", list_experiments, replace=True)
    OmegaConf.register_new_resolver("stages", list_stages, replace=True)


def _describe(loader: ConfigLoader, name: str) -> str:
    files = [Path(one.path) / EXPERIMENT / f"{name}.yaml" for one in loader.get_sources() if one.scheme() == "file"]
    file = next((path for path in files if path.is_file()), None)
    lines = [] if file is None else file.read_text().splitlines()
    comment = [line.removeprefix("#").strip() for line in takewhile(lambda line: line.startswith("#"), lines)]
    # The first line may be `# @package _global_`.
    text = " ".join(line for line in comment if not line.startswith("@"))
    return re.split(r"(?<=\.)\s", text)[0]


def _walk(parent: str) -> Iterator[tuple[str, list[str]]]:
    loader = GlobalHydra.instance().config_loader()
    for name in loader.list_groups(parent):
        group = f"{parent}/{name}".lstrip("/")
        if name == BASE or group == "hydra":
            continue
        options = sorted(loader.get_group_options(group, ObjectType.CONFIG))
        if options:
            yield group, options
        yield from _walk(group)
