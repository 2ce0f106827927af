import math
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import pytest
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import StepPatch
from matplotlib.text import Text
from PIL import Image

from compression.reporting import figures
from compression.reporting.figures import DPI, save_figure
from compression.reporting.figures.filters import DARKEST, LIGHT, draw_filters, draw_kernels
from compression.reporting.figures.layer_sparsity import draw_layer_sparsity
from compression.reporting.figures.pruning_history import draw_pruning_history
from compression.reporting.figures.sensitivity_curves import (
    MAX_NAMED,
    draw_sensitivity_heatmap,
    draw_sensitivity_lines,
    most_sensitive,
)
from compression.reporting.figures.style import AFTER, BEFORE, cut_middle, percent, shorten, spread_out
from compression.reporting.figures.weight_histograms import draw_weight_histograms

DROPS = {0.5: 0.01, 0.9: 0.2, 0.95: 0.4}


def texts(figure):
    return [text.get_text() for axes in figure.axes for text in axes.texts]


def words(figure):
    """Return all text on a picture without axes."""
    return " ".join(text.get_text() for text in figure.texts)


def sensitivity(num_layers):
    """Return accuracies in which layer i loses i + 1 shares of ``DROPS``, so the last layer is the most sensitive."""
    return {
        f"layer{i}.weight": {at: 0.9 - (i + 1) / num_layers * drop for at, drop in DROPS.items()}
        for i in range(num_layers)
    }


def history(sparsities, *, latency=True):
    rows = [
        {"step": 0, "sparsity": 0.0, "accuracy_before": None, "accuracy_after": 0.9, "bytes": 4 * 2**20}
        | {"latency_ms": 2.0 if latency else None}
    ]
    for step, sparsity in enumerate(sparsities, 1):
        rows.append(
            {"step": step, "sparsity": sparsity, "accuracy_before": 0.5 - 0.1 * step, "accuracy_after": 0.9}
            | {"bytes": 2**20, "latency_ms": 1.0 if latency else None}
        )
    return rows


def points(line):
    return [tuple(map(float, point)) for point in line.get_xydata()]


# Weight histograms


def filled(axes, colour):
    (patch,) = [
        patch
        for patch in axes.patches
        if isinstance(patch, StepPatch) and patch.get_fill() and to_hex(patch.get_facecolor()) == colour
    ]
    return patch.get_data()


def test_histograms_count_every_weight_and_leave_the_zeros_out():
    before = {"a.weight": torch.tensor([[-2.0, -1.0], [1.0, 2.0]]), "b.weight": torch.linspace(-1, 1, 1000)}
    after = {"a.weight": torch.tensor([[-2.0, 0.0], [0.0, 0.0]]), "b.weight": before["b.weight"] * 0.5}
    first, second = draw_weight_histograms(before, after=after).axes
    assert [first.get_title(loc="left"), second.get_title(loc="left")] == ["a", "b"]
    counts, edges, _ = filled(first, BEFORE)
    assert (counts.sum(), counts[0], counts[-1]) == (4, 1, 1)
    assert (edges[0], edges[-1]) == (-2, 2)
    counts, _, _ = filled(first, AFTER)
    assert (counts.sum(), counts[0]) == (1, 1)
    assert [text.get_text() for text in first.texts] == ["75.0 % zero"]
    assert [text.get_text() for text in second.texts] == ["0.0 % zero"]
    assert filled(second, AFTER)[0].sum() == 1000


def test_histograms_of_layers_that_shrank_vanished_or_broke():
    before = {name: torch.ones(4, 4) for name in ("cut", "gone", "broken", "empty")}
    after = {"cut": torch.tensor([1.0, 0.0]), "broken": torch.full((4, 4), float("nan")), "empty": torch.zeros(4, 4)}
    found = texts(draw_weight_histograms(before, after=after))
    assert found == [
        "87.5 % cut out\nof the rest, 50.0 % zero",
        "layer removed",
        "0.0 % zero\n16 not finite",
        "100.0 % zero",
    ]


def test_histograms_of_half_precision_and_of_parameters_that_train():
    weight = torch.nn.Parameter(torch.ones(3, dtype=torch.bfloat16))
    (axes,) = draw_weight_histograms({"weight": weight}, after={"weight": weight}).axes
    assert axes.get_title(loc="left") == "weight"
    assert filled(axes, BEFORE)[0].sum() == 3


@pytest.mark.parametrize("num_layers", [17, pytest.param(53, marks=pytest.mark.slow)])
def test_histograms_of_many_layers(tmp_path, monkeypatch, num_layers):
    monkeypatch.setattr(figures, "DPI", 40)
    before = {
        f"features.{i}.conv.0.0.weight": torch.randn(50, generator=torch.manual_seed(i)) for i in range(num_layers)
    }
    figure = draw_weight_histograms(before, after={name: weight * (weight > 0) for name, weight in before.items()})
    assert len(figure.axes) == num_layers
    save_figure(figure, tmp_path / "many.png")


# Filters


def dot(axes, *, filter_index, row, column, side, columns):
    """Return the colour in the middle of one weight of one filter."""
    grid = np.asarray(axes.images[0].get_array())
    line, scale = 3, 48 // side
    top, left = (index * (side * scale + line) + line for index in divmod(filter_index, columns))
    return tuple(np.round(grid[top + row * scale + scale // 2, left + column * scale + scale // 2], 4).tolist())


def test_filters_in_colour():
    before = torch.zeros(4, 3, 3, 3)
    before[0, :, 0, 0] = torch.tensor([2.0, -2.0, 1.0])
    before[3] = 1.0
    after = before.clone()
    after[0, 0, 0, 0] = 0
    after[3] = 0
    first, second = draw_filters(before, after=after, title="first layer").axes
    place = {"side": 3, "columns": 2}
    middle, high = (DARKEST + 1) / 2, DARKEST + (1 - DARKEST) * 0.75
    corner = {"filter_index": 0, "row": 0, "column": 0}
    assert dot(first, **corner, **place) == pytest.approx((1, DARKEST, high), abs=1e-4)
    assert dot(second, **corner, **place) == pytest.approx((0, DARKEST, high), abs=1e-4)
    # A weight that was zero before pruning was not pruned.
    assert dot(second, filter_index=0, row=1, column=1, **place) == pytest.approx((middle,) * 3, abs=1e-4)
    for row in range(3):
        assert dot(first, filter_index=3, row=row, column=2, **place) == pytest.approx((high,) * 3, abs=1e-4)
        assert dot(second, filter_index=3, row=row, column=2, **place) == (0, 0, 0)
    assert np.allclose(np.asarray(first.images[0].get_array())[0], LIGHT)
    assert second.get_title(loc="left").endswith(f"{percent(28 / 108)} of the weights pruned")


def test_filters_in_grey_are_black_only_where_all_input_channels_are_gone():
    before = torch.ones(1, 2, 1, 1)
    partly = torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1)
    place = {"filter_index": 0, "row": 0, "column": 0, "side": 1, "columns": 1}
    _, second = draw_filters(before, after=partly, title="t").axes
    assert dot(second, **place) == pytest.approx((DARKEST + (1 - DARKEST) * 0.75,) * 3, abs=1e-4)
    _, second = draw_filters(before, after=torch.zeros(1, 2, 1, 1), title="t").axes
    assert dot(second, **place) == (0, 0, 0)


def test_filters_of_fewer_channels_and_odd_values(tmp_path):
    before = torch.randn(6, 1, 5, 3, generator=torch.manual_seed(0))
    after = before[:1].clone()
    after[0, 0, 0] = torch.tensor([0.0, float("nan"), float("inf")])
    figure = draw_filters(before, after=after, title="t")
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert titles[0] == "before, 6 filters"
    assert titles[1].startswith("after, 1 filter,")
    save_figure(figure, tmp_path / "filters.png")
    save_figure(draw_filters(before, after=before[:0], title="none left"), tmp_path / "none.png")


def test_filters_need_four_dimensions():
    with pytest.raises(ValueError, match=r"after has the shape \[10, 64\]"):
        draw_filters(torch.ones(1, 1, 3, 3), after=torch.ones(10, 64), title="t")


# Sparsity of layers


def test_bars_are_the_sparsity_from_top_to_bottom():
    figure = draw_layer_sparsity({"first.weight": 0.25, "middle.weight": 0.9999, "last.weight": 1.0}, target=0.875)
    (axes,) = figure.axes
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([25, 99.99, 100])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["first", "middle", "last"]
    assert axes.yaxis_inverted()
    assert texts(figure) == ["25.0 %", "> 99.9 %", "100.0 %"]
    (line,) = axes.lines
    assert list(line.get_xdata()) == [87.5, 87.5]
    assert "87.5 %" in axes.get_title(loc="left")


def test_bars_without_a_target_have_no_line():
    (axes,) = draw_layer_sparsity({"weight": 0.5}).axes
    assert not axes.lines


def test_a_number_is_not_crossed_by_the_line():
    (axes,) = draw_layer_sparsity({"a": 0.88, "b": 0.92, "c": 0.5}, target=0.9).axes
    starts = [text.get_position()[0] for text in axes.texts]
    assert starts[0] > 90
    assert starts[1] > 92
    assert 50 < starts[2] < 52


def test_bars_grow_with_the_layers():
    few, many = (draw_layer_sparsity({str(i): 0.5 for i in range(num)}) for num in (9, 53))
    assert many.get_figheight() - few.get_figheight() == pytest.approx(44 * 0.21)


# Pruning history


def test_history_against_sparsity():
    figure = draw_pruning_history(history([0.5, 0.75]), latency_label="eager, batch 1")
    accuracy, size, latency = figure.axes
    lines = {line.get_label(): line for line in accuracy.lines}
    assert points(lines["after recovery"]) == [(0, 90), (50, 90), (75, 90)]
    assert points(lines["before recovery"]) == [(50, pytest.approx(40)), (75, pytest.approx(30))]
    assert lines["before recovery"].get_markerfacecolor() == "white"
    assert lines["unpruned"].get_ydata()[0] == 90
    assert points(size.lines[0]) == [(0, 4), (50, 1), (75, 1)]
    assert "MiB" in size.get_title(loc="left")
    assert points(latency.lines[0]) == [(0, 2), (50, 1), (75, 1)]
    assert "eager, batch 1" in latency.get_title(loc="left")
    assert figure.get_supxlabel() == "weight sparsity, %"


def test_history_of_small_files_is_in_kib():
    rows = [row | {"bytes": row["bytes"] // 2**10} for row in history([0.5])]
    size = draw_pruning_history(rows).axes[1]
    assert "KiB" in size.get_title(loc="left")
    assert points(size.lines[0]) == [(0, 4), (50, 1)]


def test_history_at_constant_sparsity_is_against_the_steps():
    figure = draw_pruning_history(history([0.9, 0.9, 0.9]))
    assert [x for x, _ in points(figure.axes[1].lines[0])] == [0, 1, 2, 3]
    assert figure.get_supxlabel() == "pruning step (weight sparsity 0.0 % to 90.0 %)"
    figure = draw_pruning_history(history([0.9, 0.9])[1:])
    assert figure.get_supxlabel() == "pruning step (weight sparsity 90.0 %)"


def test_history_without_latency_has_two_panels():
    assert len(draw_pruning_history(history([0.5], latency=False)).axes) == 2


def test_history_with_gaps():
    rows = history([0.5, 0.75])
    rows[0] |= {"bytes": None}
    rows[1] |= {"latency_ms": None, "accuracy_after": None}
    rows[2] |= {"accuracy_before": None}
    accuracy, size, latency = draw_pruning_history(rows).axes
    assert [x for x, _ in points(size.lines[0])] == [50, 75]
    lines = {line.get_label(): line for line in accuracy.lines}
    assert points(lines["after recovery"]) == [(0, 90), (75, 90)]
    assert [x for x, _ in points(lines["before recovery"])] == [50]
    assert [x for x, _ in points(latency.lines[0])] == [0, 75]


def test_history_without_recovery_does_not_mention_it():
    rows = [history([])[0], *(row | {"accuracy_after": None} for row in history([0.5])[1:])]
    legend = draw_pruning_history(rows).axes[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["unpruned", "before recovery"]


def test_history_without_accuracies(tmp_path):
    rows = [row | {"accuracy_before": None, "accuracy_after": None} for row in history([0.5])]
    save_figure(draw_pruning_history(rows), tmp_path / "history.png")


# Sensitivity


def test_lines_are_the_accuracy():
    figure = draw_sensitivity_lines(sensitivity(2), baseline=0.9)
    (axes,) = figure.axes
    lines = {line.get_label(): line for line in axes.lines}
    assert points(lines["layer1.weight"]) == [pytest.approx(point) for point in ((50, 89), (90, 70), (95, 50))]
    assert axes.lines[0].get_ydata()[0] == 90
    assert texts(figure) == ["layer0", "layer1"]


def test_lines_are_drawn_in_the_order_of_sparsity():
    (axes,) = draw_sensitivity_lines({"a": {0.9: 0.1, 0.5: 0.8}}, baseline=0.9).axes
    assert points(axes.lines[1]) == [(50, 80), (90, 10)]


def test_only_the_most_sensitive_of_many_lines_are_named():
    num = MAX_NAMED + 1
    figure = draw_sensitivity_lines(sensitivity(num), baseline=0.9)
    axes, bar = figure.axes
    assert len(axes.lines) == num + 1
    assert sorted(texts(figure)) == [f"layer{i}" for i in range(num - 3, num)]
    assert [label.get_text() for label in bar.get_xticklabels()] == ["first layer", "last layer"]
    colours = [line.get_color() for line in axes.lines[1:]]
    assert len(set(map(to_hex, colours))) == num


def test_most_sensitive():
    assert most_sensitive(sensitivity(5), num=2) == ["layer4.weight", "layer3.weight"]


def test_heatmap_is_the_drop_in_points():
    accuracy = {"a.weight": {0.5: 0.9, 0.9: 0.4}, "b.weight": {0.9: 0.95}}
    figure = draw_sensitivity_heatmap(accuracy, baseline=0.9)
    axes = figure.axes[0]
    shown = np.ma.filled(axes.images[0].get_array().astype(float), math.nan)
    np.testing.assert_allclose(shown, [[0, 50], [math.nan, -5]], atol=1e-9)
    assert texts(figure) == ["0.0", "50.0", "-5.0"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["50", "90"]


def test_heatmap_of_many_columns_has_no_numbers():
    accuracy = {"a": {i / 100: 0.5 for i in range(50)}}
    assert not texts(draw_sensitivity_heatmap(accuracy, baseline=0.9))


# All pictures


def draw_all(num_layers):
    weights = {f"layer{i}.weight": torch.ones(2, 3) for i in range(num_layers)}
    return [
        draw_weight_histograms(weights, after=weights),
        draw_layer_sparsity(dict.fromkeys(weights, 0.5), target=0.5),
        draw_pruning_history(history([0.1 * i for i in range(1, num_layers)])[:num_layers], latency_label="eager"),
        draw_sensitivity_lines(sensitivity(num_layers), baseline=0.9),
        draw_sensitivity_heatmap(sensitivity(num_layers), baseline=0.9),
    ]


def test_nothing_to_draw_is_said(tmp_path):
    for index, figure in enumerate(draw_all(0)):
        assert words(figure).startswith("No ")
        save_figure(figure, tmp_path / f"{index}.png")
    assert words(draw_sensitivity_lines({"a": {}}, baseline=0.9)).startswith("No ")
    assert words(draw_sensitivity_heatmap({"a": {}}, baseline=0.9)).startswith("No ")


def test_one_layer(tmp_path):
    for index, figure in enumerate(draw_all(1)):
        save_figure(figure, tmp_path / f"{index}.png")
        with Image.open(tmp_path / f"{index}.png") as image:
            assert min(image.size) > 100


def test_no_names_overlap():
    """The picture is drawn and its labels are measured, with the lines of all layers at one height."""
    same = {f"layer{i}.weight": {0.5: 0.9, 0.9: 0.9} for i in range(MAX_NAMED)}
    figure = draw_sensitivity_lines(same, baseline=0.9)
    figure.draw_without_rendering()
    # Only the extent of the text counts; the extent of an annotation would include its line.
    boxes = sorted((Text.get_window_extent(text) for text in figure.axes[0].texts), key=lambda box: box.y0)
    assert len(boxes) == MAX_NAMED
    assert all(lower.y1 < upper.y0 for lower, upper in pairwise(boxes))


def test_drawn_in_threads(tmp_path, monkeypatch):
    monkeypatch.setattr(figures, "DPI", 40)

    def draw(name):
        for index, figure in enumerate(draw_all(3)):
            save_figure(figure, tmp_path / name / f"{index}.png")

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(draw, ("a", "b")))
    for index in range(5):
        assert (tmp_path / "a" / f"{index}.png").read_bytes() == (tmp_path / "b" / f"{index}.png").read_bytes()


def test_figures_are_saved_atomically(tmp_path, monkeypatch):
    figure, path = Figure(figsize=(2, 1)), tmp_path / "folder" / "picture.png"
    figure.add_subplot()
    save_figure(figure, path)
    with Image.open(path) as image:
        assert image.format == "PNG"
        assert image.info["dpi"][0] == pytest.approx(DPI, abs=0.1)
        assert image.convert("RGB").getpixel((0, 0)) == (255, 255, 255)
    old = path.read_bytes()

    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        save_figure(draw_layer_sparsity({"a": 0.5}), path)
    assert path.read_bytes() == old
    assert [file.name for file in path.parent.iterdir()] == ["picture.png"]


# The common style


def test_percent_rounds_to_100_only_if_exact():
    assert [percent(value) for value in (0, 0.5, 0.9994, 0.99951, 1)] == [
        "0.0 %",
        "50.0 %",
        "99.9 %",
        "> 99.9 %",
        "100.0 %",
    ]


def test_shorten():
    assert shorten("features.0.0.weight") == "features.0.0"
    assert shorten("weight") == "weight"
    assert shorten("a.long.name.of.a.layer.weight", limit=8) == "…a.layer"


def test_long_labels_differ_at_either_end():
    labels = [f"sparsity {number}, /data/my images, v={root} <old>" for number in (5, 9) for root in (1, 2)]
    cut = [cut_middle(label, limit=24) for label in labels]
    assert max(map(len, cut)) <= 24
    assert len(set(cut)) == 4
    assert cut_middle("short") == "short"


def test_labels_are_spread_out():
    assert spread_out([], gap=1, low=0, high=10) == []
    assert spread_out([2, 8, 5], gap=1, low=0, high=10) == [2, 8, 5]
    assert spread_out([5, 5, 5], gap=1, low=0, high=10) == [4, 5, 6]
    assert spread_out([10, 10], gap=1, low=0, high=10) == [9, 10]
    assert spread_out([3, 3, 3], gap=9, low=0, high=10) == [0, 5, 10]


def test_kernels_of_several_networks_have_the_scale_of_the_dense_one(tmp_path):
    dense = torch.full((4, 3, 3, 3), 1.0)
    half, gone = dense * 0.5, dense.clone()
    gone[1:] = 0
    others = [("half", half), ("gone", gone), ("fewer", 3 * dense[:2])]
    figure = draw_kernels(dense, others=others, title="first layer")
    assert len(figure.axes) == 4
    captions = [axes.get_title(loc="left") for axes in figure.axes]
    assert captions == [
        "dense\n4 filters",
        "half\n4 filters",
        "gone\n4 filters, 75.0 % of their weights pruned",
        "fewer\n2 filters",
    ]
    place = {"filter_index": 3, "row": 1, "column": 1, "side": 3, "columns": 2}
    first, second, third, last = figure.axes
    assert dot(first, **place) == dot(last, **place | {"filter_index": 1}) == (1, 1, 1)
    assert "-1 to 1 and beyond" in words(figure)
    assert dot(second, **place) == pytest.approx((DARKEST + (1 - DARKEST) * 0.75,) * 3, abs=1e-4)
    assert dot(third, **place) == (0, 0, 0)
    save_figure(figure, tmp_path / "kernels.png")


def test_kernels_need_the_same_input_channels():
    with pytest.raises(ValueError, match="grey has 1 input channels; allowed: 3"):
        draw_kernels(torch.ones(2, 3, 3, 3), others=[("grey", torch.ones(2, 1, 3, 3))], title="t")
