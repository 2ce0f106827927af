"""The sentence that joins the sparsity that was asked for and the one that was found."""

import pytest

from compression.reporting.asked_sparsity import describe_asked


def make(*, asked=0.4, pruned=0.4002, found=0.5509, target="weights", compacted=True, quantization=None):
    return {
        "run": {"target": target, "target_sparsity": asked},
        "pruning_history": [{"sparsity": 0.2}, {"sparsity": pruned}],
        "compressed": {"sparsity": found},
        "compaction": {"compacted": compacted},
        "quantization": quantization,
    }


def test_compaction_took_the_rest():
    assert describe_asked(make()) == (
        "Asked for: 40 % of weights. Found: 55.09 % of the weights are zero or removed: compaction took the weights "
        "that read or feed removed channels, from 40.02 % to 55.09 %"
    )


@pytest.mark.parametrize("found", [0.39, 0.4, 0.4099])
def test_within_a_point_there_is_nothing_to_explain(found):
    assert describe_asked(make(found=found)) is None


def test_rounding_has_its_share():
    quantization = {"sparsity_before": 0.5, "sparsity": 0.56}
    assert describe_asked(make(found=0.56, quantization=quantization)).endswith(
        "from 40.02 % to 50.00 %, rounding made more zeros, from 50.00 % to 56.00 %"
    )


def test_other_targets_name_the_zeros_of_pruning():
    text = describe_asked(make(target="macs", pruned=0.3))
    assert text.startswith("Asked for: 40 % of MACs. Found: 55.09 % of the weights are zero or removed: pruning left")
    assert "pruning left 30.00 % zero, compaction" in text


def test_a_run_without_pruning_or_an_older_record_has_no_sentence():
    assert describe_asked(make() | {"pruning_history": []}) is None
    assert describe_asked(make() | {"run": {}}) is None


def test_a_rejected_step_is_not_the_result():
    metrics = make(asked=0.97, pruned=0.8266, found=0.5838, compacted=False)
    metrics["pruning_history"] = [{"sparsity": 0.3}, {"sparsity": 0.5838}, {"sparsity": 0.8266}]
    metrics["run"]["stopped"] = "step 3 has 40 %; kept step 2"
    assert describe_asked(metrics).endswith(": pruning stopped at 58.38 %, before accuracy fell too far")
    metrics["pruning_history"] = [{"sparsity": 0.8266}]
    metrics["compressed"]["sparsity"] = 0.0
    assert describe_asked(metrics).endswith(": pruning stopped at 0.00 %, before accuracy fell too far")
