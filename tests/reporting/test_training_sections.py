from compression.reporting.training_sections import distillation_to_markdown, pruning_to_markdown

TAUGHT = {"teacher": "dense", "alpha": 0.9, "temperature": 4.0, "feature": None, "student": None}
STEP = {"step": 1, "sparsity": 0.5, "accuracy_before": 0.5, "accuracy_after": 0.75, "bytes": 1000, "epochs": 1}


def describe(**taught):
    accuracy = {"dense": 0.9, "distil": 0.875}
    return distillation_to_markdown({"run": {"distillation": TAUGHT | taught, "val_accuracy": accuracy}})


def test_a_run_without_a_teacher_has_no_section():
    assert distillation_to_markdown({"run": {"distillation": None}}) == ""


def test_teacher_features_and_student_are_named():
    assert describe() == ("\n## Distillation\n\nTeacher: the dense model of this run; alpha 0.9, temperature 4.\n")
    text = describe(teacher="big.cmp", feature={"kind": "hint", "weight": 2.0}, student={"model": "M", "epochs": 3})
    assert "Teacher: big.cmp; alpha 0.9, temperature 4; hint of feature maps, weight 2.\n" in text
    assert text.endswith(
        "Student: M, trained for 3 epochs to 87.50 % validation accuracy; the dense model has 90.00 %.\n"
    )


def test_steps_target_stop_and_channels_are_named():
    compaction = {"compacted": True, "channels": {"conv|1": (16, 8)}, "difference": 2e-7}
    metrics = {
        "run": {"target": "macs", "target_sparsity": 0.7, "stopped": "accuracy fell"},
        "timing": {"steps": None},
        "compaction": compaction,
    }
    text = pruning_to_markdown(metrics, [])
    assert text.startswith("\n## Steps\n")
    for part in ("remove 70 % of", "Stopped: accuracy fell.", "## Channels", "conv\\|1", "differ by 2.0e-07"):
        assert part in text
    plain = pruning_to_markdown(metrics | {"compaction": None, "run": metrics["run"] | {"stopped": None}}, [])
    assert "Stopped" not in plain
    assert "Channels" not in plain
