from compression.sweep.axis_names import shorten_key


def test_a_short_name_is_the_last_part_of_the_key():
    keys = ["strategy.recovery.lr_factor", "+model.width_mult", "quantization/weights", "seed"]
    assert [shorten_key(key) for key in keys] == ["lr_factor", "width_mult", "weights", "seed"]
