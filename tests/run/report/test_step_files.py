import pytest
import torch
from runs import TINY, compose_config
from safetensors.torch import load_file
from trained_store import same

import compression
from compression.run.context import make_context
from compression.run.report.step_files import write_step

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


def test_a_step_file_leaves_the_random_numbers_of_training_as_they_were(tmp_path):
    context = make_context(compose_config(*TINY, "strategy=gmp", f"output_dir={tmp_path}"), tmp_path / "run")
    weights = context.build_model().state_dict()
    (tmp_path / "steps").mkdir()
    before = torch.get_rng_state()
    write_step(context, tmp_path, 1, weights)
    assert torch.equal(torch.get_rng_state(), before)
