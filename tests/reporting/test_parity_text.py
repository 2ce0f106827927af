import pytest

from compression.reporting.parity_text import describe_logit_error, describe_optimization, format_relative_error


def test_a_record_of_an_earlier_version_has_neither():
    assert describe_logit_error({"agreement": 1.0}) is None
    assert describe_optimization({}) is None
    assert describe_optimization({"graph_optimization": "ORT_ENABLE_BASIC"}) == "basic"


def test_the_error_and_how_many_logits_differ():
    parity = {"relative_logit_error": 0.0031, "differing_logits": 13_057, "logits": 37_000}
    assert describe_logit_error(parity) == ("0.31 %", "13,057 of 37,000 differ")


@pytest.mark.parametrize(
    ("error", "text"), [(0.0, "0.00 %"), (0.25, "25.00 %"), (2e-7, "2.0e-05 %"), (None, "not known")]
)
def test_a_small_error_is_not_shown_as_zero(error, text):
    assert format_relative_error(error) == text
