from compression.sweep.axis_names import shorten_key


def test_the_last_part_of_a_key_is_its_short_name():
    keys = ["strategy.recovery.lr_factor", "+model.width_mult", "quantization/weights", "seed"]
    assert [shorten_key(key) for key in keys] == ["lr_factor", "width_mult", "weights", "seed"]
