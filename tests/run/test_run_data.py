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


def test_the_code_of_a_dataset_of_the_user_is_in_the_identity(tmp_path, monkeypatch):
    data = make_context(compose_config(*TINY, f"output_dir={tmp_path}"), tmp_path).data
    assert "code" not in data.identity
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_images.py").write_text("size = 1\n")
    mine = [replace(data, settings={**data.settings, "_target_": "my_images.Mine"}).identity["code"]]
    (tmp_path / "my_images.py").write_text("size = 2\n")
    mine.append(replace(data, settings={**data.settings, "_target_": "my_images.Mine"}).identity["code"])
    assert mine[0] != mine[1]


def test_keys_that_choose_files_are_not_in_the_identity(tmp_path):
    context = make_context(compose_config(*TINY, f"output_dir={tmp_path}"), tmp_path)
    chosen = {"include": ["*.jpg"], "exclude": ["*.png"], "allow_conflicts": True, "allow_nested": True}
    other = replace(context.data, settings={**context.data.settings, **chosen})
    assert other.identity == context.data.identity


def test_a_named_normalization_counts_by_its_numbers(tmp_path):
    def identity(*overrides):
        return make_context(compose_config(*TINY, *overrides, f"output_dir={tmp_path}"), tmp_path).data.identity

    plain = identity()
    assert identity("data.normalization=measured") == plain
    assert "cutout" not in plain["augment"]
    assert identity("data.augment.cutout=2")["augment"] == plain["augment"] | {"cutout": 2}
    imagenet = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    assert identity("data.normalization=imagenet") == plain | imagenet
    given = identity("data.mean=[0.485,0.456,0.406]", "data.std=[0.229,0.224,0.225]")
    assert given == plain | imagenet


def test_measuring_batches_may_have_their_own_size(tmp_path):
    data = make_context(compose_config(*TINY, f"output_dir={tmp_path}"), tmp_path).data
    sizes = [len(labels) for _, labels in data.plain_train_batches(batch_size=500)]
    assert sizes == [500, 500, 293]
    first = [
        next(iter(batches))[1] for batches in (data.plain_train_batches(batch_size=16), data.plain_train_batches())
    ]
    assert torch.equal(first[0], first[1][:16])
