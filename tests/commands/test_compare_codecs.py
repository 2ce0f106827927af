import pytest
from runs import ROOT
from small_files import run, save_small
from torch import nn

from compression.commands import compare_codecs as command
from compression.commands.compare_codecs import compare_storage
from compression.core.errors import InputError
from compression.storage import comparison

FILES = ROOT / "tests" / "golden" / "v2"


@pytest.fixture(autouse=True)
def few_points(monkeypatch):
    """Draw three points of each curve, to save time."""
    for module in (command, comparison):
        monkeypatch.setattr(module, "GRID", (0.0, 0.5, 0.98))


def rows_of(text):
    table = text.split("\n\n")[1].splitlines()[1:]
    return {line.split()[0]: line.split() for line in table}


def test_all_codecs_smallest_first_and_a_picture(tmp_path):
    result = run("storage", FILES / "pruned.cmp", "--picture", tmp_path / "codecs.png")
    assert result.exit_code == 0, result.output
    rows = rows_of(result.stdout)
    assert len(rows) > 3
    num_bytes = [int(row[1].replace(",", "")) for row in rows.values()]
    assert num_bytes == sorted(num_bytes)
    # The rest of the file does not depend on the codec.
    assert len({int(row[3].replace(",", "")) - int(row[1].replace(",", "")) for row in rows.values()}) == 1
    assert result.stdout.endswith(f"\npicture: {tmp_path / 'codecs.png'}\n")
    assert (tmp_path / "codecs.png").read_bytes().startswith(b"\x89PNG")
    assert "order-0 bound" not in result.stdout


def test_integers_have_an_order_0_bound(tmp_path):
    text = compare_storage(FILES / "integers.cmp", picture=tmp_path / "codecs.png")
    assert " weights, int8, " in text
    assert "order-0 bound of the weights: " in text


def test_a_file_without_weights_is_refused(tmp_path):
    save_small(tmp_path / "m.cmp", nn.BatchNorm2d(3), target="torch.nn.BatchNorm2d", kwargs={})
    with pytest.raises(InputError, match=r"m\.cmp has no weights to compare codecs on; must have a tensor of two"):
        compare_storage(tmp_path / "m.cmp", picture=tmp_path / "codecs.png")
    assert not (tmp_path / "codecs.png").exists()
