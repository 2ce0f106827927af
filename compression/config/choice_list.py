"""The choices that ``--help`` lists: each group of the configuration with its options."""

from collections.abc import Iterator

from hydra.core.global_hydra import GlobalHydra
from hydra.core.object_type import ObjectType
from omegaconf import OmegaConf

# A folder of this name holds blocks that options of a group share. They are not options.
BASE = "base"


def list_choices() -> str:
    """Return a line ``group: option, option`` for each group, without Hydra's own and without bases."""
    return "\n".join(f"{group}: {', '.join(options)}" for group, options in sorted(_walk("")))


def register() -> None:
    """Make ``${choices:}`` known to OmegaConf."""
    OmegaConf.register_new_resolver("choices", list_choices, replace=True)


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
