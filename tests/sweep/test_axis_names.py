from compression.sweep.axis_names import name_keys, shorten_key


def test_a_short_name_is_the_last_part_of_the_key():
    keys = ["strategy.recovery.lr_factor", "+model.width_mult", "quantization/weights", "seed"]
    assert [shorten_key(key) for key in keys] == ["lr_factor", "width_mult", "weights", "seed"]


def test_keys_with_the_same_last_part_keep_their_whole_name():
    keys = ["training.epochs", "+strategy.recovery.epochs", "sparsity"]
    assert list(name_keys(keys).values()) == ["training.epochs", "strategy.recovery.epochs", "sparsity"]
