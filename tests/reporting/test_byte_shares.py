"""Breakdown of bytes, on files whose bytes can be counted by hand."""

import pytest
import torch
from runs import ROOT
from small_files import save_colours

from compression.artifact import read_contents
from compression.reporting.byte_shares import count_formula, count_shares, list_weights, parts_to_markdown

FILES = sorted((ROOT / "tests" / "golden" / "v2").glob("*.cmp"))


def test_weights_and_biases_of_floats(tmp_path):
    save_colours(tmp_path / "m.cmp", [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]], bias=(7.0, 8.0))
    contents = read_contents(tmp_path / "m.cmp")
    shares = count_shares(contents)
    # No weight is zero, so there is no index. 6 weights and 2 biases have 4 bytes each, in any codec.
    assert shares["weights: index of zeros"] == 0
    weights = sum(shares[name] for name in shares if name.startswith("weights: "))
    assert weights == sum(block.num_bytes for block in contents.blocks if block.role == "weight") <= 24
    assert 0 < shares["biases"] <= 8
    assert shares["scales"] == shares["normalization, others"] == 0


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_shares_add_up_to_the_file(path):
    contents = read_contents(path)
    shares = count_shares(contents)
    assert sum(shares.values()) == path.stat().st_size
    assert all(share >= 0 for share in shares.values())
    assert (shares["scales"] > 0) == (contents.plan is not None)
    vectors = sum(block.num_bytes for block in contents.blocks if len(block.shape) <= 1)
    assert shares["scales"] + shares["biases"] + shares["normalization, others"] == vectors


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_formula_counts_weights_and_channels_of_quantized_layers(path):
    contents = read_contents(path)
    state = contents.decode()
    bits = channels = 0
    for block in contents.blocks:
        if len(block.shape) > 1:
            name = block.names[0]
            width = contents.plan.layers[block.owners[0]].weight if contents.plan else 32
            bits += int(state[name].count_nonzero()) * (width + 3)
            channels += block.shape[0] if contents.plan and block.owners[0] in contents.plan.layers else 0
    if all(state[block.names[0]].dtype in (torch.float32, torch.int8) for block in list_weights(contents)):
        assert count_formula(contents, state) == -(-bits // 8) + 4 * channels


def test_the_section_of_the_report_has_shares_and_the_formula():
    parts = {"values": 50, "indices": 20, "tables": 5, "scales": 5, "biases": 5, "normalization": 5, "header": 10}
    text = parts_to_markdown({"artifact": 100, "formula": 80, "parts": parts}, {"safetensors": 400})
    assert "| weights: values | 50 | 50.0 % |" in text
    assert "| header, checksums | 10 | 10.0 % |" in text
    assert "| the file | 100 | 100.0 % |" in text
    assert "gives 80 bytes" in text
    assert "400 bytes, is 4.00 times the file and 5.00 times the formula" in text
