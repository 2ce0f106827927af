import torch
from runs import TINY, compose_config

from compression.run.context import make_context


def test_a_subset_of_held_out_images_has_all_classes(tmp_path):
    context = make_context(compose_config(*TINY, f"output_dir={tmp_path}"), tmp_path)
    labels = torch.cat([labels for _, labels in context.data.val_subset(60)])
    assert len(labels) == 60
    assert len(labels.unique()) == 10
    everything = torch.cat([labels for _, labels in context.data.val_subset(10**6)])
    assert torch.equal(everything, context.data.images.val.labels)
