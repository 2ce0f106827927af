from runs import TINY, compose_config

from compression.run.building.size_estimate import estimate_bytes
from compression.run.context import make_context


def estimate(tmp_path, *overrides):
    config = compose_config(*TINY, "strategy=none", f"output_dir={tmp_path}", *overrides)
    return estimate_bytes(make_context(config, tmp_path / "run"))


def test_fewer_bits_and_fewer_channels_are_fewer_bytes(tmp_path):
    eight, four = estimate(tmp_path, "bits=8"), estimate(tmp_path, "bits=4")
    assert four < eight < estimate(tmp_path, "bits=8", "+model.width=16")
    # The weights alone, which cost a byte each at most: 216 + 1152 + 160 of them.
    assert eight - four < 1528
    assert not (tmp_path / "store").exists()
