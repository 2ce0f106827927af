from small_files import run


def test_inspect(folder):
    result = run("inspect", folder / "own.cmp")
    assert result.exit_code == 0, result.output
    lines = [line.split() for line in result.stdout.splitlines()]
    num_bytes = (folder / "own.cmp").stat().st_size
    assert ["architecture", "colour_net.Net(num_classes=2)"] in lines
    assert ["classes", "2:", "blue,", "red"] in lines
    weight = next(line for line in lines if line[:1] == ["fc.weight"])
    assert weight[1:5] == ["2x3", "66.67", "%", "32"]
    counts = {" ".join(line[:-3]): int(line[-3].replace(",", "")) for line in lines if line[-1:] == ["%"]}
    assert counts["file"] == num_bytes
    assert sum(counts.values()) == 2 * num_bytes
    assert int(weight[6].replace(",", "")) == sum(counts[name] for name in counts if name.startswith("weights:"))
    # 2 weights of 32 bits and gaps of 3; nothing is quantized, so there are no scales.
    assert ["formula", "9"] in [line[:2] for line in lines]
    assert any("safetensors" in line for line in result.stdout.splitlines())


def test_inspect_shows_the_info(folder):
    result = run("inspect", folder / "mobile.cmp")
    assert "strategy      oneshot_l1" in result.stdout
    assert "sparsity      0.5" in result.stdout
    assert "52 x num_batches_tracked" in result.stdout
