from compression.commands.text_table import format_table


def test_columns_are_as_wide_as_their_widest_cell():
    rows = [("conv", "1,024"), ("classifier", "8")]
    assert format_table(("layer", "weights"), rows=rows, right=(1,)) == (
        "layer       weights\nconv          1,024\nclassifier        8"
    )


def test_a_table_without_rows_is_its_header_and_no_line_ends_in_spaces():
    assert format_table(("a", "b"), rows=[]) == "a  b"
    assert format_table(("a", "wide"), rows=[("1", "")]).splitlines() == ["a  wide", "1"]


def test_unprintable_characters_are_escaped_and_count_as_written():
    assert format_table(("name", "x"), rows=[("a\x1b[2Jb\n", "1")]).splitlines() == [
        "name         x",
        "a\\x1b[2Jb\\n  1",
    ]
