"""Nested settings as pairs of a path and a value."""

from compression.core.flatten import flatten


def test_paths_and_values_in_order():
    nested = {"b": {"c": [1, {"x": 2}], "d": {}}, "a": None, "e": {"f": {"g": 1}}}
    assert list(flatten(nested)) == [("b.c", [1, {"x": 2}]), ("a", None), ("e.f.g", 1)]
    assert list(flatten({"e": {"f": 1}}, separator="/", at="stage/")) == [("stage/e/f", 1)]
    assert list(flatten({})) == []
