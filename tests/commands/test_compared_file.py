import json

from small_files import cells, run
from wrong_values import with_wrong_values

from compression.artifact import load_artifact
from compression.commands.compare_models import compare_files
from compression.commands.compared_file import open_file
from compression.core.errors import InputError


def test_the_dense_file_of_a_run(own_run):
    model = load_artifact(own_run / "model.cmp").model
    size = (own_run / "dense.safetensors").stat().st_size
    result = run("compare", own_run / "dense.safetensors", own_run / "model.cmp")
    assert result.exit_code == 0, result.output
    rows = cells(result.stdout)
    assert rows["bytes"][0] == f"{size:,}"
    assert rows["times smaller"][0] == "1.00x"
    assert rows["test accuracy"] == ["90.00 %", "88.50 %"]
    assert rows["parameters"][0] == f"{sum(one.numel() for one in model.parameters()):,}"
    assert rows["weights: values"][0] == f"{sum(4 * one.numel() for one in model.parameters() if one.dim() > 1):,}"
    # Folding batch norm leaves the same multiplications.
    assert rows["MACs per image"][0] == rows["MACs per image"][1]


def test_a_record_of_another_network_is_a_one_line_error(own_run):
    path = own_run / "metrics.json"
    metrics, messages = json.loads(path.read_text()), []
    for _, changed in with_wrong_values(metrics["run"]):
        path.write_text(json.dumps(metrics | {"run": changed}))
        try:
            compare_files([open_file(own_run / "dense.safetensors", allow=[], max_bytes=None)])
        except InputError as error:
            messages.append(str(error))
    # Every change is an error, except those that give the same network.
    assert len(messages) > 20
    assert not any("\n" in message for message in messages)


def test_an_artifact_may_record_the_bytes_of_its_dense_model(compared):
    with_dense, without = (
        open_file(compared / name / "model.cmp", allow=["colour_net"], max_bytes=None) for name in "ab"
    )
    assert (with_dense.dense_bytes, without.dense_bytes) == (5000, None)
    assert with_dense.num_bytes == sum(with_dense.shares.values()) == (compared / "a" / "model.cmp").stat().st_size
    assert (with_dense.arithmetic, with_dense.run) == ("float32", None)
    # Two of the 6 weights are not zero; both biases are zero.
    assert with_dense.counts == {"parameters": 8, "nonzero": 2, "sparsity": 1 - 2 / 6, "macs": 6, "nonzero_macs": 2}
