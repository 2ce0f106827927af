"""Breakdown of bytes, on files whose bytes can be counted by hand."""

import pytest
from runs import ROOT
from small_files import save_colours

from compression.artifact import read_contents
from compression.commands.byte_shares import count_shares

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
