def test_allocated_bits_fit_the_budget_of_bytes(shared):
    stages = shared("strategy=none bits=8 quantization.allocation.max_bytes=9000 until=quantize")
    made, table = stages["quantize"], stages["bits"]
    rows = {row["layer"]: (row["weights"], row["weight_bits"]) for row in made.results["layers"]}
    assert 0.8 * 9000 < sum(-(-weights * bits // 8) for weights, bits in rows.values()) <= 9000
    assert len({bits for _, bits in rows.values()}) > 1
    assert table.results["loss"]["features.0"].keys() == {"8", "6", "5", "4", "3", "2"}
    # Another budget uses the same table.
    fewer = shared("strategy=none bits=8 quantization.allocation.max_bytes=6000 until=quantize")
    less = fewer["quantize"]
    assert fewer["bits"].path == table.path
    assert sum(-(-row["weights"] * row["weight_bits"] // 8) for row in less.results["layers"]) <= 6000


def test_allocated_bits_keep_the_accuracy_within_max_drop(shared):
    stages = shared("strategy=none bits=8 quantization.allocation.max_drop=2.0 until=quantize")
    made, dense = stages["quantize"], stages["dense"]
    assert made.results["val_accuracy"] >= dense.results["val_accuracy"] - 0.02 - 1e-6
    assert min(row["weight_bits"] for row in made.results["layers"]) < 8
