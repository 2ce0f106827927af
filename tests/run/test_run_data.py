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


def test_the_schedule_of_digits_is_a_default_of_other_groups_and_no_part_of_the_data(tmp_path):
    digits, cifar = compose_config(), compose_config("data=cifar10")
    assert (digits.training.epochs, cifar.training.epochs) == (12, 20)
    assert (digits.training.optimizer["lr"], cifar.training.optimizer["lr"]) == (0.2, 0.1)
    assert (digits.strategy.recovery.min_updates, cifar.strategy.recovery.min_updates) == (63, 100)
    assert compose_config("training.epochs=3").training.epochs == 3
    identity = make_context(compose_config(*TINY, f"output_dir={tmp_path}"), tmp_path).data.identity
    assert not {"schedule", "stem", "num_workers"} & set(identity)
    assert {"_target_", "image_size", "fingerprint", "batch_size"} <= set(identity)
