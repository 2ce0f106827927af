"""File names in the package are unique."""

from collections import Counter
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "compression"


def test_no_two_files_share_a_name() -> None:
    names = Counter(path.name for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")
    assert [name for name, count in names.items() if count > 1] == []
