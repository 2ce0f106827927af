"""The text of Hydra's overrides."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from compression.config.override_text import key_of, quote


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
