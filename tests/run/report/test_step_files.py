import pytest
from safetensors.torch import load_file
from trained_store import same

import compression

ONCE = "strategy=oneshot_structured_l2 strategy.recovery.epochs=0"


@pytest.mark.parametrize("settings", ["", "strategy.granularity.round_to=1 sparsity=0.52"])
def test_a_step_file_has_only_the_kept_channels(shared, settings):
    stages = shared(f"{ONCE} {settings} until=compact")
    made, pruned = stages["compact"], stages["prune"]
    step = compression.load(pruned.path / "steps" / "01.cmp", allow=["tiny_net"])
    assert same(step.state_dict(), load_file(made.path / "model.safetensors"))


def test_step_files_follow_strategy_compact(shared):
    compacted, masked = (
        shared(f"{ONCE} strategy.compact={wanted} until=prune")["prune"] for wanted in ("true", "false")
    )
    files = [made.path / "steps" / "01.cmp" for made in (compacted, masked)]
    widths = [compression.load(file, allow=["tiny_net"]).features[0].out_channels for file in files]
    assert widths == [16, 32]
    assert (masked.path / "masks.safetensors").read_bytes() == (compacted.path / "masks.safetensors").read_bytes()
