import pytest

from compression.reporting.failure_rows import failures_to_markdown, list_failure_rows

SHARE = {"value": 0.98, "low": 0.95, "high": 0.99}


def side(accuracy, worst="cat"):
    return {
        "accuracy": {**SHARE, "value": accuracy},
        "balanced_accuracy": {**SHARE, "value": accuracy - 0.01},
        "worst_class": {"name": worst, "recall": 0.9, "low": 0.8, "high": 0.95},
    }


@pytest.fixture
def failures():
    payer = {"name": "dog", "change": -0.08, "low": -0.12, "high": -0.01, "p_corrected": 0.012}
    change = {"accuracy": {"value": -0.02, "low": -0.03, "high": 0.005}, "verdict": "It falls.", "classes": [payer]}
    return {"dense": side(0.98), "compressed": side(0.96, "dog"), "change": change, "layers": None}


def test_rows_by_hand(failures):
    assert list(list_failure_rows(failures)) == [
        ("  95 % interval", "95.00 to 99.00 %", "95.00 to 99.00 %", "-3.00 to +0.50 points"),
        ("balanced accuracy", "97.00 %", "95.00 %", "-2.00 points"),
        ("  95 % interval", "95.00 to 99.00 %", "95.00 to 99.00 %", ""),
        ("worst class", "cat, 90.00 %", "dog, 90.00 %", "dog: -8.00 points"),
        ("  95 % interval", "80.00 to 95.00 %", "80.00 to 95.00 %", ""),
    ]


def test_a_record_of_an_earlier_version_has_no_interval_of_the_worst_class(failures):
    for one in ("dense", "compressed"):
        del failures[one]["worst_class"]["low"]
    assert [row[0] for row in list_failure_rows(failures)][-1] == "worst class"


def test_without_an_analysis_nothing_is_shown():
    assert list(list_failure_rows(None)) == []
    assert failures_to_markdown(None, folder="f", pictures=[]) == ""


def test_three_layers_at_most(failures):
    failures["layers"] = [{"name": f"layer{index}", "snr_db": 10.0 + index} for index in range(3)]
    rows = list(list_failure_rows(failures))[5:]
    assert [row[2] for row in rows] == ["layer0, 10.0 dB", "layer1, 11.0 dB", "layer2, 12.0 dB"]
    assert len({row[0] for row in rows}) == 3


def test_if_no_class_lost_no_class_is_named(failures):
    failures["change"]["classes"] = []
    assert list(list_failure_rows(failures))[3][3] == ""
    assert "class that lost" not in failures_to_markdown(failures, folder="f", pictures=[])


def test_names_of_classes_are_text(failures):
    failures["compressed"]["worst_class"]["name"] = "a\nb" * 20
    [shown] = [row[2] for row in list_failure_rows(failures) if "worst" in row[0]]
    assert "\n" not in shown
    assert len(shown) < 40
    failures["change"]["classes"][0]["name"] = "<script>|*x*"
    text = failures_to_markdown(failures, folder="f", pictures=[("errors", "a.png")])
    assert r"| &lt;script>\|\*x\* | -8.00 points | -12.00 to -1.00 | 0.012 |" in text
    assert "[errors](f/a.png)" in text
