"""The dependencies in pyproject.toml, and the installed packages that they bring."""

import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from runs import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
LIGHT = [Requirement(one) for one in PROJECT["dependencies"]]
EXTRAS = {
    extra: [Requirement(one) for one in wanted if not one.startswith(f"{PROJECT['name']}[")]
    for extra, wanted in PROJECT["optional-dependencies"].items()
}
# The extra with development tools. The package imports none of them.
DEV = "dev"


def imported_names() -> dict[str, set[str]]:
    """Return the distributions behind every name that can be imported, without the standard library."""
    return {name: {canonicalize_name(one) for one in found} for name, found in packages_distributions().items()}


def heavy_packages() -> set[str]:
    """Return every name that can be imported and that the light set does not bring.

    Packages of an extra count even if a package of the light set depends on them now (rich, filelock), because that may
    change.
    """
    asked = {canonicalize_name(one.name) for wanted in EXTRAS.values() for one in wanted}
    light = _with_what_they_need(LIGHT) - asked
    own = PROJECT["name"]
    return {name for name, found in imported_names().items() if not found & light and name != own}


def _with_what_they_need(wanted: Iterable[Requirement]) -> set[str]:
    found: set[str] = set()
    left = list(wanted)
    while left:
        one = left.pop()
        key = canonicalize_name(one.name)
        contexts = [{"extra": extra} for extra in (one.extras or {""})]
        if one.marker is not None and not one.marker.evaluate({"extra": ""}):
            continue
        try:
            needs = [Requirement(line) for line in requires(key) or ()]
        except PackageNotFoundError:
            continue
        new = [need for need in needs if need.marker is None or any(map(need.marker.evaluate, contexts))]
        if key not in found or one.extras:
            found.add(key)
            left += [need for need in new if canonicalize_name(need.name) not in found or need.extras]
    return found
