from dataclasses import dataclass, field
from typing import Any

from compression.quantization.plan import Activation, Bits, Plan
from compression.run.report.run_results import _describe_actual_bits, _stage_seconds
from compression.run.stage import Finished


@dataclass
class Record:
    id: str
    seconds: float = 1.0
    results: dict[str, Any] = field(default_factory=dict)


def test_all_exports_count_as_one_stage():
    made = {"dense": Record("a", 8.0), "dense_export": Record("b", 2.0), "export": Record("c", 3.0)}
    assert _stage_seconds(Finished(made)) == {"dense": 8.0, "export": 5.0}
    assert _stage_seconds(Finished(made | {"export": made["dense_export"]})) == {"dense": 8.0, "export": 2.0}
    assert _stage_seconds(Finished(made | {"pruned_export": Record("d", 4.0)})) == {"dense": 8.0, "export": 9.0}


def test_actual_bits_are_those_of_the_plan():
    assert _describe_actual_bits({}) == {"actual_weight_bits": [32, 32], "actual_activation_bits": [32, 32]}
    plan = Plan({"a": Bits(4, 8), "b": Bits(7, 6)}, {"input": Activation(8, signed=True), "a": Activation(6, False)})
    found = _describe_actual_bits({"quantize": Record("q", results={"plan": plan.to_json()})})
    assert found == {"actual_weight_bits": [4, 7], "actual_activation_bits": [6, 8]}
