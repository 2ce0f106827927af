import json

import pytest

from compression.core.canonical_json import dump_sorted
from compression.stage_store.store import StageKey


def test_keys_of_several_types_are_sorted_as_text():
    assert dump_sorted({7: 2.0, "cat": [{1: "a", "b": (1, 2)}]}) == '{"7": 2.0, "cat": [{"1": "a", "b": [1, 2]}]}'
    assert dump_sorted({"cat": 1.0, 7: 2.0}) == dump_sorted({7: 2.0, "cat": 1.0})


@pytest.mark.parametrize("value", [{10: 1, 9: 2}, {"b": 1, "a": {True: 1, False: 2}}, [1, {"z": None}]])
def test_other_text_is_that_of_json(value):
    assert dump_sorted(value) == json.dumps(value, sort_keys=True)
    assert dump_sorted(value, separators=(",", ":")) == json.dumps(value, sort_keys=True, separators=(",", ":"))


def test_a_value_that_json_lacks_is_an_error():
    with pytest.raises(TypeError, match="not JSON serializable"):
        dump_sorted({"a": object()})
    assert dump_sorted({"a": 1j}, default=str) == '{"a": "1j"}'


def test_a_stage_with_weights_of_classes_named_by_numbers_and_words_has_an_id():
    keys = [
        StageKey("dense", 1, {"class_weights": weights}) for weights in ({7: 2.0, "cat": 1.0}, {"cat": 1.0, 7: 2.0})
    ]
    assert keys[0].id == keys[1].id
    assert StageKey("dense", 1, {"class_weights": {10: 1.0, 9: 2.0}}).id == "93c55d54b61ee8d4"
