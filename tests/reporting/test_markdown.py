"""Tables and escaped text in Markdown."""

import pytest

from compression.reporting.markdown import escape, to_table


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("  95 % interval", "  95 % interval"),
        ("digits-mobilenet_v2-s90 (a, b) [8, 4]", "digits-mobilenet_v2-s90 (a, b) [8, 4]"),
        ("__init__ a_ _b", r"\_\_init\_\_ a\_ \_b"),
        ("layer1.*:6/8 a|b `c` C:\\d", r"layer1.\*:6/8 a\|b \`c\` C:\\d"),
        ("<script>", "&lt;script>"),
        ("salt & pepper &lt;", "salt & pepper &amp;lt;"),
        ("[a](b) [a][b]", r"[a]\(b) [a]\[b]"),
        ("a\nb\x1b", r"a b\\x1b"),
    ],
)
def test_text_has_no_meaning_in_markdown(text, escaped):
    assert escape(text) == escaped


def test_a_table_by_hand():
    assert to_table(("layer", "bits"), [("a", "8"), ("b", "4")]) == [
        "| layer | bits |",
        "|---|---:|",
        "| a | 8 |",
        "| b | 4 |",
    ]
    assert to_table(("step", "file", "what"), [], left=(1, 2)) == ["| step | file | what |", "|---:|---|---|"]
