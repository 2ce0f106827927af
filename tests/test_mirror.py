"""Tests lie where the code lies: whoever changes a module knows which file shows that it works."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE, TESTS = ROOT / "compression", ROOT / "tests"
# What crosses modules: whole runs, and what holds for every implementation of a protocol.
CROSSING = {"contracts", "end_to_end", "golden", "support"}
# Modules without a decision in them: a protocol, names of files, the entry of `python -m`.
BARE = {"runtimes/runtime.py", "run/names.py", "__main__.py"}


def modules() -> list[Path]:
    """The modules of the package, relative to it."""
    found = (path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
    return sorted(path for path in found if path.name != "__init__.py" and path.as_posix() not in BARE)


def mirrors(module: Path) -> tuple[Path, Path]:
    """The file of a module's tests, and that of its folder's: small siblings are tested together."""
    folder = module.parent
    return TESTS / folder / f"test_{module.name}", TESTS / folder.parent / f"test_{folder.name}.py"


@pytest.mark.parametrize("module", modules(), ids=str)
def test_every_module_has_tests_in_its_place(module: Path) -> None:
    assert any(mirror.is_file() for mirror in mirrors(module)), f"no {mirrors(module)[0].relative_to(ROOT)}"


def test_every_file_of_tests_has_its_module() -> None:
    known = {mirror for module in modules() for mirror in mirrors(module)}
    known |= {
        TESTS / path.relative_to(PACKAGE).parent / f"test_{path.parent.name}.py" for path in PACKAGE.rglob("*.py")
    }
    inside = (path for path in TESTS.rglob("test_*.py") if path.parent != TESTS)
    homeless = [path for path in inside if path.relative_to(TESTS).parts[0] not in CROSSING and path not in known]
    assert not homeless
