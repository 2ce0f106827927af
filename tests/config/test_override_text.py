"""The text of Hydra's overrides."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from compression.config.override_text import key_of, quote, quote_if_needed


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("sparsity=0.5", "sparsity"),
        ("++model.width_mult=0.5", "model.width_mult"),
        ("~logger", "logger"),
        ("distillation/student@other=vgg11", "distillation/student"),
        ("data.root=a=b", "data.root"),
    ],
)
def test_the_key_of_an_override(line, key):
    assert key_of(line) == key


@pytest.mark.parametrize(
    "text", ["plain", "a b", "it's", r"a\b", r"a\\b", "a\\", r"a\'b", r"\'", "'", "${x}", "a,b", "[x]", "a=b"]
)
def test_a_quoted_text_is_read_as_it_is(text):
    [override] = OverridesParser.create().parse_overrides([f"key={quote(text)}"])
    assert override.value() == text


@pytest.mark.parametrize(
    "text", ["a b(1)", "x,y", "null", "0.5", "true", "7", " a ", "range(1,3)", "~/x", "a=b", "[x", "inf"]
)
def test_a_text_that_hydra_would_change_is_quoted(text):
    assert quote_if_needed(text) == quote(text)
    [override] = OverridesParser.create().parse_overrides([f"key={quote_if_needed(text)}"])
    assert override.value() == text


@pytest.mark.parametrize("text", ["gmp", "a b", "a/b.c", "[a,b]", "{a:1}", "'a,b'", "1e-4", "-2E+5", "${x}"])
def test_a_plain_or_written_value_stays(text):
    assert quote_if_needed(text) == text
