"""Pages made from invented records: nothing is loaded, every text is escaped, and every number is there."""

import itertools
import json
import re

import pytest
from page_records import EVIL, FAILURE_PICTURES, PICTURES, make_failures, save_pictures, save_run
from page_text import Elements
from PIL import Image
from sweep_folders import make_metrics

from compression.core.errors import InputError
from compression.reporting.page.brushed_axes import BrushedAxis, BrushedLine, make_brushed_spec
from compression.reporting.page.chart_style import BLUE, GREEN, GREY, ORANGE, PURPLE, pad_domain
from compression.reporting.page.cost_chart import CostPoint, make_cost_spec
from compression.reporting.page.embedded_pictures import embed_picture
from compression.reporting.page.failure_document import read_failure_document
from compression.reporting.page.failure_page import make_failure_page
from compression.reporting.page.failure_sections import format_p_value
from compression.reporting.page.line_chart import Series, make_line_spec
from compression.reporting.page.page_blocks import Cell, Chart, Details, Gallery, Page, Picture, Section, Table, Text
from compression.reporting.page.rendering import render_page
from compression.reporting.page.run_document import read_run_document
from compression.reporting.page.run_page import RunRecords, make_run_page
from compression.reporting.page.spread_chart import SpreadRow, make_spread_spec
from compression.reporting.page.vega import draw_svg, escape_script, read_javascript


@pytest.fixture
def records(tmp_path):
    folder = save_run(tmp_path / "run")
    return RunRecords(
        name=f"run {EVIL}",
        metrics=json.loads((folder / "metrics.json").read_text()),
        failures=make_failures(),
        configuration=f"name: {EVIL}",
        histories=json.loads((folder / "training_history.json").read_text()),
        parts={"weights: values": 700_000, "header": 348_576},
        formula=600_000,
        pictures=folder / "pictures",
        failure_pictures=folder / "failure_analysis",
        remake=("python -m compression report . --html",),
    )


@pytest.fixture
def html(records):
    return render_page(make_run_page(records)).decode()


def luminance(colour):
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.03928 else ((one + 0.055) / 1.055) ** 2.4 for one in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_every_colour_reads_on_both_pages():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    for colour in (BLUE, ORANGE, GREEN, PURPLE, GREY):
        assert contrast(colour, "#ffffff") >= 3
        assert contrast(colour, "#14171b") >= 3


def test_the_page_of_a_run_loads_nothing_and_runs_nothing(html):
    elements = Elements(html)
    assert elements.loaded() == []
    assert elements.scripts == []
    assert "script-src" not in html
    assert "default-src 'none'" in html


def test_names_from_data_are_only_text(html):
    elements = Elements(html)
    # The title, the configuration, the model, the command, and the class in several tables.
    assert elements.text.count(EVIL) >= 8
    assert not any(tag == "script" for tag, _ in elements.tags)


def test_the_page_of_a_run_has_its_numbers(html):
    text = Elements(html).text
    # 8 MiB dense, 1 MiB compressed; accuracy 0.98 and 0.96 as recorded.
    assert "The compressed file is 8.00x smaller than the dense model (1.00 MiB against 8.00 MiB)" in text
    assert "loses 2.00 points of test accuracy (96.00 % against 98.00 %)" in text
    assert "The loss of 2.00 points is more than chance" in text
    for shown in ("600,000", "700,000", "66.8 %", "8,388,608", "Formula", "processor", "16.00 GiB"):
        assert shown.lower() in text.lower(), shown
    # Accuracy after recovery of each step, in the table.
    assert [value in text for value in ("97.00", "96.00", "95.00")] == [True] * 3


def test_asked_and_actual_bits_are_two_rows(records):
    metrics = records.metrics
    metrics["run"] |= {"target": "weights", "target_sparsity": 0.9}
    metrics["compaction"] = {"compacted": True}
    metrics["compressed"]["sparsity"] = 0.95
    metrics["quantization"] |= {
        "arithmetic": "W4-7A8, simulated, stored packed",
        "reduced_range": True,
        "layers": [{"weight_bits": bits, "activation_bits": 8} for bits in (4, 7)],
        "parity": {
            "engine": "onnxruntime",
            "images": 3_700,
            "agreement": 1.0,
            "max_logit_difference": 0.12,
            "accuracy_simulated": 0.9,
            "accuracy_executed": 0.9,
            "logits": 37_000,
            "differing_logits": 13_057,
            "relative_logit_error": 0.0031,
            "graph_optimization": "ORT_ENABLE_ALL",
            "cpu": {"name": "some"},
        },
    }
    page = make_run_page(records)
    rows = {row[0].text: [cell.text for cell in row[1:]] for row in page.headline.cells}
    assert rows["bits of weights and activations, asked for"] == ["32, 32", "8, 8", ""]
    assert rows["bits of weights and activations, actual"] == [
        *("32, 32", "4-7, 8", "7 in place of 8 on this processor"),
    ]
    assert any(line.startswith("Asked for: 90 % of weights. Found: 95.00 %") for line in page.verdict)
    text = Elements(render_page(page).decode()).text
    for shown in ("0.31 %", "13,057 of 37,000", "graph optimizations", "onnxruntime (held in 8 bits)"):
        assert shown in text, shown


def test_biases_of_folded_batch_norms_are_no_row(records):
    records.metrics["dense"]["nonzero_parameters"] = 1000
    for count, shown in ((1010, False), (1000, True), (500, True)):
        records.metrics["compressed"]["nonzero_parameters"] = count
        names = [row[0].text for row in make_run_page(records).headline.cells]
        assert ("non-zero parameters" in names) == shown


def test_every_picture_is_inside_with_a_description(html):
    images = [attrs for tag, attrs in Elements(html).tags if tag == "img"]
    assert len(images) == len(PICTURES) + len(FAILURE_PICTURES)
    assert all(one["src"].startswith("data:image/") and one["alt"] and int(one["width"]) > 100 for one in images)


def test_charts_are_drawn_and_described(html):
    elements = Elements(html)
    charts = [attrs for _, attrs in elements.tags if attrs.get("class") == "chart"]
    assert {one["id"] for one in charts} >= {"chart-steps", "chart-curve-accuracy", "chart-latency-1"}
    assert all(one["role"] == "img" and one["aria-label"] for one in charts)
    assert sum(tag == "svg" for tag, _ in elements.tags) == len(charts)


def test_the_same_records_give_the_same_bytes(records):
    assert render_page(make_run_page(records)) == render_page(make_run_page(records))


def test_a_record_of_an_older_version_has_a_page():
    # Version 1 had neither steps nor epochs nor failure modes.
    metrics = make_metrics()
    metrics["schema_version"] = 1
    for key in ("pruning_history", "quantization", "provenance"):
        del metrics[key]
    del metrics["run"]["epochs"]
    for row in metrics["timing"]["latency"]:
        del row["best_dense_engine"]
    page = make_run_page(RunRecords(name="old", metrics=metrics))
    assert [section.name for section in page.sections] == ["size", "speed", "making"]
    assert "8.00x smaller" in Elements(render_page(page).decode()).text


def test_a_run_without_timing_has_a_page():
    metrics = make_metrics()
    metrics["timing"] = {}
    page = make_run_page(RunRecords(name="untimed", metrics=metrics))
    assert "speed" not in [section.name for section in page.sections]
    render_page(page)


def test_equal_files_and_accuracies_are_neither_smaller_nor_better():
    metrics = make_metrics(accuracy=0.98, dense=0.98, num_bytes=2**20, dense_bytes=2**20, milliseconds=1.0)
    verdict = make_run_page(RunRecords(name="same", metrics=metrics)).verdict
    assert verdict[0].startswith("The compressed file is as large as the dense model")
    assert "keeps the test accuracy" in verdict[0]
    assert verdict[1].startswith("In batches of 1, it runs as fast as the dense model")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one: one.update(schema_version=99), "schema_version=99: is newer"),
        (lambda one: one["compressed"].update(accuracy="high"), "compressed.accuracy"),
        (lambda one: one["timing"].update(latency=[{"engine": 3}]), "engine"),
        (lambda one: one.pop("run"), "run is missing"),
    ],
)
def test_a_damaged_record_is_one_line(change, message):
    metrics = make_metrics()
    change(metrics)
    with pytest.raises(InputError, match=re.escape(message)) as raised:
        make_run_page(RunRecords(name="damaged", metrics=metrics))
    assert "\n" not in str(raised.value)


def test_an_analysis_of_one_model_has_a_page(tmp_path):
    save_pictures(tmp_path, FAILURE_PICTURES[:1])
    page = make_failure_page(make_failures(single=True), name="analysis", pictures=tmp_path, remake=("again",))
    assert [section.name for section in page.sections] == ["failures", "layers", "robustness", "making"]
    text = Elements(render_page(page).decode()).text
    assert "The model classifies 88.00 % of 300 images correctly" in text
    assert "Mean confidence".lower() in text.lower()
    assert "noise, strength 2" in text


def test_a_thousand_classes_are_a_short_table_and_a_complete_one(tmp_path):
    names = [f"class {number}" for number in range(1000)]
    page = make_failure_page(make_failures(names), name="many", pictures=tmp_path)
    [change] = [section for section in page.sections if section.name == "change"]
    shown = next(block.blocks for block in change.blocks if isinstance(block, Gallery))
    hidden = [block for block in change.blocks if isinstance(block, Details)]
    assert len(shown[0].rows) == 20
    assert len(hidden[0].blocks[0].rows) == 1000
    assert "the first 20 of 1,000" in shown[0].caption
    assert len(render_page(page)) < 2 << 20


def test_a_failure_record_without_models_is_refused():
    with pytest.raises(InputError, match="models: must hold a model"):
        read_failure_document({"schema_version": 1, "models": {}})


@pytest.mark.parametrize(
    ("value", "text"), [(None, "-"), (0.00001, "< 0.0001"), (0.0004, "0.0004"), (0.034, "0.034"), (1.0, "1.00")]
)
def test_p_values(value, text):
    assert format_p_value(value) == text


def test_a_newer_record_of_a_run_is_refused_in_one_line():
    with pytest.raises(InputError) as caught:
        read_run_document({**make_metrics(), "schema_version": 99})
    assert str(caught.value) == "schema_version=99: is newer than 3, the newest this version reads"


def test_unknown_keys_of_a_record_are_ignored():
    found = read_run_document({**make_metrics(), "later": 1})
    assert found.timing.latency[0].engine == "eager"


def test_script_ends_inside_javascript_are_escaped():
    assert escape_script("a = '</script>' + '</SCRIPT >' + '<!-- b'") == r"a = '<\/script>' + '<\/SCRIPT >' + '<\!-- b'"


def test_the_javascript_can_stand_in_a_page():
    source = read_javascript()
    assert "vegaEmbed" in source
    assert not re.search(r"<(/script|!--)", source, flags=re.IGNORECASE)


def test_a_live_page_has_its_data_as_json():
    rows = [{"id": 0, "numbers": {"accuracy": 90.0}, "settings": {"name": EVIL}}]
    spec = make_cost_spec(
        [CostPoint(0, 1.0, 90.0, EVIL, "grid", facts={"file": EVIL})],
        front=[0],
        dense=[(2.0, 95.0)],
        cost="bytes",
        accuracy="accuracy",
        log=True,
    )
    table = Table("rows", ("name", "value"), [[Cell(EVIL, EVIL, "a/report.html"), Cell("90", 90.0)]], ids=[0])
    section = Section("all", "All", [table, Chart("front", "Front", EVIL, spec)])
    html = render_page(Page("kind", EVIL, [EVIL], None, [section], rows)).decode()
    elements = Elements(html)
    assert len(elements.scripts) == 3
    data = json.loads(elements.scripts[0])
    assert data["rows"] == rows
    assert data["specs"]["front"]["data"][0]["values"][0]["tip"]["title"] == EVIL
    assert "<" not in elements.scripts[0]
    assert elements.loaded() == ["a/report.html"]
    assert elements.text.count(EVIL) >= 3


def test_text_in_a_drawing_is_escaped():
    svg = draw_svg(make_line_spec([Series(EVIL, [(0, 1.0), (1, 2.0)])], x=EVIL, y="y"), name="chart")
    assert "<script" not in svg
    assert "&lt;script" in svg


def test_a_line_is_shown_for_each_of_its_configurations():
    lines = [Series("a", [(0, 1.0), (1, 2.0)], ids=range(9)), Series("b", [(0, 1.0), (1, 2.0)], ids=[9])]
    [test, _] = make_line_spec(lines, x="x", y="y")["marks"][0]["marks"][0]["encode"]["update"]["strokeOpacity"]
    assert "shown[datum.ids[8]]" in test["test"]


def test_drawings_of_a_page_share_no_ids():
    spec = make_line_spec([Series("a", [(0, 1.0), (1, 2.0)])], x="x", y="y")
    spec["marks"][0]["clip"] = True
    found = [set(re.findall(r'id="([^"]*)"', draw_svg(spec, name=name))) for name in ("one", "two")]
    assert found[0]
    assert not found[0] & found[1]


def test_limits_of_an_axis():
    assert pad_domain([0.0, 100.0], share=0.1) == [-10.0, 110.0]
    assert pad_domain([1.0, 100.0], share=0.5, log=True) == pytest.approx([0.1, 1000.0])
    low, high = pad_domain([5.0])
    assert low < 5 < high
    low, high = pad_domain([5.0], log=True)
    assert 0 < low < 5 < high


def test_collapsed_models_do_not_flatten_the_others():
    points = [CostPoint(index, 1.0 + index, 90.0, "a", "grid") for index in range(3)]
    spec = make_cost_spec(
        [*points, CostPoint(3, 2.0, 10.0, "b", "grid")], front=[0, 3], dense=[], cost="x", accuracy="y", log=False
    )
    scale = next(one for one in spec["scales"] if one["name"] == "y")
    assert scale["domain"][0] > 40
    rows = {one["name"]: [row.get("id") for row in one["values"]] for one in spec["data"]}
    assert rows["points"] == [0, 1, 2]
    assert rows["lower"] == [3]
    assert rows["front"] == [None]
    assert "1 below 65 %, lowest 10.0 %" in draw_svg(spec, name="a")


def test_a_control_character_in_a_text_is_replaced():
    svg = draw_svg(make_line_spec([Series("a\x07\udc80b", [(0, 1.0), (1, 2.0)])], x="x\x00", y="y\n"), name="a")
    assert "a\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}b" in svg


def test_each_note_of_a_point_has_its_line():
    notes = ["best accuracy", "best compression", "best balanced"]
    points = [CostPoint(0, 1.0, 90.0, "a", "grid", notes=notes), CostPoint(1, 2.0, 91.0, "b", "grid")]
    spec = make_cost_spec(points, front=[0], dense=[], cost="x", accuracy="y", log=False)
    [rows] = [one["values"] for one in spec["data"] if one["name"] == "notes"]
    assert [row["note"] for row in rows] == notes
    heights = [row["at"] for row in rows]
    assert all(low - high > 12.9 for high, low in itertools.pairwise(heights))


def test_a_chart_of_one_point_and_one_axis_is_drawn():
    point = CostPoint(0, 1.0, 90.0, "a", "grid", half_width=1.0)
    assert "<svg" in draw_svg(make_cost_spec([point], front=[0], dense=[], cost="x", accuracy="y", log=True), name="a")
    axis = BrushedAxis("only\none", [0.5, None], [(0.5, "1")])
    lines = [BrushedLine(0, "a", 1.0, {}), BrushedLine(1, "b", 0.0, {})]
    assert "<svg" in draw_svg(make_brushed_spec([axis], lines), name="b")
    spread = make_spread_spec([SpreadRow("eager", (1.0, 1.0, 1.0), (0.5, 0.5, 0.5))], title="ms")
    assert "<svg" in draw_svg(spread, name="c")


def test_each_axis_has_a_brush():
    axes = [BrushedAxis(name, [0.0, 1.0], []) for name in "abc"]
    spec = make_brushed_spec(axes, [BrushedLine(0, "a", 1.0, {}), BrushedLine(1, "b", 0.0, {})])
    assert spec["usermeta"]["brushes"] == ["brush0", "brush1", "brush2"]
    names = {signal["name"] for signal in spec["signals"]}
    assert names >= {"brush0", "brush1", "brush2", "brushes", "shown", "pointed"}


def test_a_picture_becomes_smaller_and_a_broken_one_is_left_out(tmp_path):
    image = Image.effect_noise((500, 250), 40).convert("RGB")
    image.save(tmp_path / "weight_histograms.png")
    found = embed_picture(tmp_path / "weight_histograms.png", title="t", description="d")
    assert found is not None
    assert (found.width, found.height) == (400, 200)
    assert found.uri.startswith("data:image/png;base64,")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    assert embed_picture(tmp_path / "broken.png", title="t", description="d") is None
    assert embed_picture(tmp_path / "missing.png", title="t", description="d") is None


def test_charts_are_found_at_any_depth():
    spec = make_line_spec([Series("a", [(0, 1.0), (1, 2.0)])], x="x", y="y")
    one, two = Chart("one", "1", "d", spec), Chart("two", "2", "d", spec)
    blocks = [Text("t"), Details("more", [Gallery([one])]), two]
    page = Page("kind", "title", [], None, [Section("s", "S", blocks)])
    assert [chart.name for chart in page.charts] == ["one", "two"]


def test_half_a_surrogate_pair_does_not_stop_the_page():
    page = Page("kind", "broken \ud800 name", ["fine"], None, [])
    assert "fine" in render_page(page).decode()


@pytest.mark.parametrize("damage", [{"compaction": ["x"]}, {"quantization": {"sparsity_before": "x"}}])
def test_damaged_parts_of_a_record_are_named(damage):
    with pytest.raises(InputError, match=next(iter(damage))):
        read_run_document({**make_metrics(), **damage})


def test_a_broad_picture_has_the_whole_width():
    pictures = [Picture(f"{width}", "d", "data:,", width, 10) for width in (580, 1285)]
    html = render_page(Page("kind", "title", [], None, [Section("a", "A", [Gallery(pictures)])])).decode()
    assert [attrs.get("class") for tag, attrs in Elements(html).tags if tag == "figure"] == [None, "broad"]
