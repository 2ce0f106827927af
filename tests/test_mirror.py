"""The folders of the tests mirror the package: every module has a test file in the same place."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE, TESTS = ROOT / "compression", ROOT / "tests"
# Folders that test several modules together: complete runs, and contracts of every implementation of a protocol.
CROSSING = {"contracts", "end_to_end", "golden", "support"}
# Modules without logic: a protocol, names of files, and the entry of `python -m`.
BARE = {"runtimes/runtime.py", "core/file_names.py", "__main__.py"}


def modules() -> list[Path]:
    """Return the paths of the package's modules, relative to the package."""
    found = (path.relative_to(PACKAGE) for path in PACKAGE.rglob("*.py"))
    return sorted(path for path in found if path.name != "__init__.py" and path.as_posix() not in BARE)


def mirrors(module: Path) -> tuple[Path, Path]:
    """Return the two allowed test files of a module: its own, and one for its folder, which small siblings share."""
    folder = module.parent
    return TESTS / folder / f"test_{module.name}", TESTS / folder.parent / f"test_{folder.name}.py"


@pytest.mark.parametrize("module", modules(), ids=str)
def test_every_module_has_its_test_file(module: Path) -> None:
    assert any(mirror.is_file() for mirror in mirrors(module)), f"no {mirrors(module)[0].relative_to(ROOT)}"


def test_every_test_file_has_its_module() -> None:
    known = {mirror for module in modules() for mirror in mirrors(module)}
    known |= {
        TESTS / path.relative_to(PACKAGE).parent / f"test_{path.parent.name}.py" for path in PACKAGE.rglob("*.py")
    }
    inside = (path for path in TESTS.rglob("test_*.py") if path.parent != TESTS)
    homeless = [path for path in inside if path.relative_to(TESTS).parts[0] not in CROSSING and path not in known]
    assert not homeless
