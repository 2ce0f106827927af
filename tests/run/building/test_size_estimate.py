from runs import TINY, compose_config

from compression.run.building.size_estimate import estimate_bytes
from compression.run.context import make_context


def estimate(tmp_path, *overrides):
    config = compose_config(*TINY, "strategy=none", f"output_dir={tmp_path}", *overrides)
    return estimate_bytes(make_context(config, tmp_path / "run"))


def test_fewer_bits_or_channels_need_fewer_bytes(tmp_path):
    eight, four = estimate(tmp_path, "bits=8"), estimate(tmp_path, "bits=4")
    assert four < eight < estimate(tmp_path, "bits=8", "+model.width=16")
    # At most one byte for each of the 216 + 1152 + 160 weights can be saved.
    assert eight - four < 1528
    assert not (tmp_path / "store").exists()
