"""Startup code that hides the packages named in WITHOUT_PACKAGES. Python imports it if its folder is on PYTHONPATH."""

import os
import sys


class _Without:
    """A module finder that does not find these packages, so ``find_spec`` does not find them either."""

    def __init__(self, finder, packages):
        self._finder, self._packages = finder, packages

    def find_spec(self, name, path=None, target=None):
        return None if name.partition(".")[0] in self._packages else self._finder.find_spec(name, path, target)

    def __getattr__(self, name):
        return getattr(self._finder, name)


_packages = frozenset(os.environ["WITHOUT_PACKAGES"].split(","))
sys.meta_path[:] = [_Without(finder, _packages) for finder in sys.meta_path]
