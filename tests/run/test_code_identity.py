import sys

import pytest
import yaml
from runs import ROOT

from compression.run.code_identity import code_without_comments, foreign_code, user_code


@pytest.fixture
def my_nets(tmp_path, monkeypatch):
    (tmp_path / "my_nets.py").write_text("width = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path / "my_nets.py"
    sys.modules.pop("my_nets", None)


def test_an_edit_changes_the_hash(my_nets):
    before = user_code({"_target_": "my_nets.Net"})
    assert list(before) == ["my_nets.Net"]
    assert user_code({"_target_": "my_nets.Net"}) == before
    my_nets.write_text("width = 2\n")
    assert user_code({"_target_": "my_nets.Net"}) != before


@pytest.mark.usefixtures("my_nets")
def test_targets_are_found_at_every_depth_without_installed_packages():
    settings = {
        "_target_": "torch.nn.Linear",
        "part": {"_target_": "my_nets.Net"},
        "other": {"_target_": "compression.pruning.criteria.random.Random"},
    }
    assert list(user_code(settings)) == ["compression.pruning.criteria.random.Random", "my_nets.Net"]


def test_an_edit_of_code_that_a_list_names_changes_the_hash(my_nets):
    settings = {"_target_": "torch.nn.Sequential", "steps": [{"_target_": "my_nets.Net"}, ({"_target_": "my_nets.A"},)]}
    before = user_code(settings)
    assert list(before) == ["my_nets.A", "my_nets.Net"]
    my_nets.write_text("width = 2\n")
    assert user_code(settings) != before


def test_no_built_in_configuration_names_code_in_a_list():
    """Keys of stages from before lists were searched stay."""

    def find_lists(value):
        if isinstance(value, list):
            yield value
        for one in value.values() if isinstance(value, dict) else ():
            yield from find_lists(one)

    files = list((ROOT / "conf").glob("**/*.yaml"))
    assert len(files) > 50
    settings = [yaml.safe_load(path.read_text()) for path in files]
    lists = [one for each in settings for one in find_lists({**each, "defaults": None})]
    assert len(lists) > 3
    assert user_code({"lists": lists}) == {}


def test_settings_without_targets_have_no_code():
    assert user_code({"epochs": 3}) == {}


PLAIN = """import math
class Net:
    width = 2
    def forward(self, x):
        return x + "# no comment"  '''text, no docstring'''
"""
DOCUMENTED = """# A comment.
\"\"\"A module with a docstring,

of two lines: ünïcödé.\"\"\"
import math  # why


class Net:
    \"\"\"A class.\"\"\"

    width = 2   # pixels

    def forward(self, x):
        "A function."
        return x + "# no comment"  '''text, no docstring'''
"""


def test_comments_docstrings_and_blank_lines_do_not_count(my_nets):
    assert code_without_comments(DOCUMENTED) == code_without_comments(PLAIN)
    my_nets.write_text(PLAIN)
    before = user_code({"_target_": "my_nets.Net"})
    my_nets.write_text(DOCUMENTED, encoding="utf-8")
    assert user_code({"_target_": "my_nets.Net"}) == before


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("width = 2", "width = 3"),
        ("# no comment", "# another text"),
        ("    def forward", "def forward"),
        ("import math", "import cmath as math"),
    ],
)
def test_other_edits_change_the_code(old, new):
    assert code_without_comments(DOCUMENTED.replace(old, new)) != code_without_comments(DOCUMENTED)


def test_removing_comments_keeps_the_program():
    assert code_without_comments(PLAIN) == PLAIN.rstrip()
    source = 'def f():\n    """Only a docstring."""\n'
    assert code_without_comments(source) == "def f():"


def test_only_line_feeds_end_a_line():
    source = "\f\nclass A:  # one\n    text = '\u2028'  # two\n    a = 5\n"
    assert code_without_comments(source) == "class A:\n    text = '\u2028'\n    a = 5"


@pytest.mark.usefixtures("my_nets")
def test_a_class_inside_of_a_class_has_the_code_of_its_module():
    inner, outer = (user_code({"_target_": f"my_nets.{name}"}) for name in ("Outer.Inner", "Outer"))
    assert [*inner.values()] == [*outer.values()] != ["no source file"]


@pytest.mark.usefixtures("my_nets")
def test_foreign_code_leaves_this_package_out():
    settings = {"a": {"_target_": "my_nets.Net"}, "b": {"_target_": "compression.data.digits.Digits"}}
    assert foreign_code(settings) == user_code(settings["a"])
