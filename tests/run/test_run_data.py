from dataclasses import replace

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


def test_a_run_prints_a_line_about_its_data(tmp_path, caplog):
    context = make_context(compose_config(*TINY, f"output_dir={tmp_path}"), tmp_path)
    with caplog.at_level("INFO"):
        assert len(context.data.images.test) == 360
    lines = [record.message for record in caplog.records if record.message.startswith("data  ")]
    assert lines == ["data  10 classes: 3 183, 1 182, ... 8 174; train 1,293, val 144, test 360"]


def test_keys_that_choose_files_are_not_in_the_identity(tmp_path):
    context = make_context(compose_config(*TINY, f"output_dir={tmp_path}"), tmp_path)
    chosen = {"include": ["*.jpg"], "exclude": ["*.png"], "allow_conflicts": True, "allow_nested": True}
    other = replace(context.data, settings={**context.data.settings, **chosen})
    assert other.identity == context.data.identity
