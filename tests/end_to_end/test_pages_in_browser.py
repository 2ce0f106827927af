"""Pages in a real browser: nothing fails, nothing is requested, and what the reader does changes the page."""

import json
import os
import shutil
from pathlib import Path

import pytest
from browser import open_page, start_browser
from page_records import make_failures, save_pictures, save_run
from runs import ROOT
from sweep_folders import Folder, make_grid, make_metrics

from compression.commands.report_sweep import report_html

pytestmark = pytest.mark.browser
# Where screenshots are kept, for people to look at.
SHOTS = os.environ.get("PAGE_SCREENSHOTS")
SIZES = [(390, 844), (1280, 900)]
NAMES = ("run", "analysis", "sweep", "cifar10", "many")


@pytest.fixture(scope="module")
def browser():
    with start_browser() as started:
        yield started


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    """The pages of a run, an analysis, a small sweep, the published CIFAR-10 sweep, and 200 jobs."""
    root = tmp_path_factory.mktemp("pages")
    save_run(root / "run")
    save_pictures(root / "analysis", ("confusion_matrix_normalized", "misclassified_examples"))
    (root / "analysis" / "failure_modes.json").write_text(json.dumps(make_failures()))
    make_grid(root / "sweep", sparsities=[0.5, 0.7, 0.9], bits=[6, 8])
    (root / "cifar10").mkdir()
    shutil.copy(ROOT / "experiments" / "studies" / "b" / "results.csv", root / "cifar10")
    strategies, sparsities = ("gmp", "rigl", "set", "snip"), [0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.97]
    make_grid(root / "many", sparsities=sparsities, bits=[2, 3, 4, 5, 6, 8], strategies=strategies)
    for name in NAMES:
        report_html(root / name)
    return {name: root / name / "report.html" for name in NAMES}


@pytest.fixture
def sweep(browser, pages):
    """The page of the small sweep, drawn."""
    with open_page(browser, pages["sweep"]) as opened:
        opened.wait()
        yield opened
        assert opened.errors == []


def column(page, name):
    """Return the texts of a column of the leaderboard."""
    return page.evaluate(
        """(name) => {
            const table = document.querySelector("table.sortable");
            const at = [...table.tHead.rows[0].cells].findIndex((cell) => cell.textContent.startsWith(name));
            return [...table.tBodies[0].rows].map((row) => row.cells[at].textContent);
        }""",
        name,
    )


def count_outside(page):
    return page.locator("tr.outside").count()


def count_faded(page, chart):
    """Return the number of marks of a chart that are nearly transparent."""
    return page.evaluate(
        """(chart) => [...document.querySelectorAll(`#chart-${chart} path, #chart-${chart} line`)].filter((mark) => {
            const opacity = mark.getAttribute("opacity") ?? mark.getAttribute("stroke-opacity");
            return opacity !== null && Math.abs(Number(opacity) - 0.1) < 1e-6;
        }).length""",
        chart,
    )


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", SIZES, ids=["phone", "desk"])
@pytest.mark.parametrize("name", NAMES)
def test_a_page_opens_without_error_request_or_violation(browser, pages, name, size, dark):
    with open_page(browser, pages[name], width=size[0], height=size[1], dark=dark) as opened:
        if opened.page.locator("#data").count():
            opened.wait()
        assert opened.errors == []
        assert opened.requests == [pages[name].resolve().as_uri()]
        assert opened.broken_images() == []
        assert opened.find_violations() == []
        # Wide tables scroll on their own; the page does not.
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= size[0]
        # The names of rows stay readable beside the numbers: no column of single letters.
        widths = "[...document.querySelectorAll('th.w:first-child')].map((cell) => cell.clientWidth)"
        assert min(opened.page.evaluate(widths), default=100) >= 100
        if SHOTS:
            shot = f"{name}-{size[0]}-{'dark' if dark else 'light'}.png"
            opened.page.screenshot(path=str(Path(SHOTS) / shot), full_page=True)


def test_sorting_by_click(sweep):
    page = sweep.page
    accuracies = [float(text.split()[0]) for text in column(page, "validation")]
    # The dense model is the last row, and no configuration.
    assert accuracies[:-1] == sorted(accuracies[:-1], reverse=True)
    page.get_by_role("button", name="validation, %", exact=True).click()
    assert [float(text.split()[0]) for text in column(page, "validation")] == sorted(accuracies)
    header = page.locator("table.sortable thead th", has_text="validation, %")
    assert header.get_attribute("aria-sort") == "ascending"
    page.get_by_role("button", name="validation, %", exact=True).click()
    assert [float(text.split()[0]) for text in column(page, "validation")] == sorted(accuracies, reverse=True)
    assert header.get_attribute("aria-sort") == "descending"


def test_sorting_by_keyboard(sweep):
    page = sweep.page
    page.get_by_role("button", name="ratio", exact=True).focus()
    page.keyboard.press("Enter")
    ratios = [float(text.removesuffix("x")) for text in column(page, "ratio")]
    assert ratios == sorted(ratios)
    page.keyboard.press("Space")
    assert [float(text.removesuffix("x")) for text in column(page, "ratio")] == sorted(ratios, reverse=True)


def test_limits_fade_rows_and_points_everywhere(sweep):
    page = sweep.page
    assert count_outside(page) == 0
    assert "All 12 configurations" in page.locator("#within").inner_text()
    *accuracies, _ = [float(text.split()[0]) for text in column(page, "validation")]
    page.get_by_label("Validation accuracy at least, %").fill(str(sorted(accuracies)[4]))
    below = sum(one < sorted(accuracies)[4] for one in accuracies)
    page.wait_for_function("(count) => document.querySelectorAll('tr.outside').length === count", arg=below)
    page.wait_for_timeout(300)
    for chart in ("front-bytes", "front-sparsity", "front-latency", "parallel"):
        assert count_faded(page, chart) >= below, chart
    assert f"{12 - below} of 12 configurations" in page.locator("#within").inner_text()
    assert sweep.find_violations() == []
    page.get_by_label("File at most, KiB").fill("1")
    page.wait_for_function("document.querySelectorAll('tr.outside').length === 12")
    page.get_by_role("button", name="Show all").click()
    page.wait_for_function("document.querySelectorAll('tr.outside').length === 0")
    page.wait_for_timeout(300)
    assert count_faded(page, "front-bytes") == 0


def test_a_setting_is_held_at_a_value(sweep):
    page = sweep.page
    page.locator("select[data-key=weight_bits]").select_option("6")
    page.wait_for_function("document.querySelectorAll('tr.outside').length === 9")


def test_brushing_an_axis_fades_what_it_leaves_out(sweep):
    page = sweep.page
    zone = page.locator("#chart-parallel .zone1 path").first
    zone.scroll_into_view_if_needed()
    box = zone.bounding_box()
    middle = box["x"] + box["width"] / 2
    # The upper third of the axis: only the highest sparsity of three.
    page.mouse.move(middle, box["y"] + 2)
    page.mouse.down()
    page.mouse.move(middle, box["y"] + box["height"] / 6)
    page.mouse.move(middle, box["y"] + box["height"] / 3)
    page.mouse.up()
    page.wait_for_function("document.querySelectorAll('tr.outside').length === 8")
    kept = page.evaluate(
        "[...document.querySelectorAll('table.sortable tbody tr[data-id]:not(.outside) th')].map((c) => c.textContent)"
    )
    assert len(kept) == 4
    assert all("s90" in name for name in kept)
    page.wait_for_timeout(300)
    assert count_faded(page, "front-bytes") >= 8
    assert count_faded(page, "steps") >= 1
    # A click lets go.
    page.mouse.click(middle, box["y"] + box["height"] / 2)
    page.wait_for_function("document.querySelectorAll('tr.outside').length === 0")


def test_pointing_names_the_configuration(sweep):
    page = sweep.page
    point = page.locator("#chart-front-bytes .mark-symbol path").nth(3)
    point.scroll_into_view_if_needed()
    point.hover(force=True)
    page.wait_for_selector("#vg-tooltip-element.visible")
    text = page.locator("#vg-tooltip-element").inner_text()
    assert "accuracy" in text
    assert page.locator("tr.pointed th").inner_text() in text


def test_charts_grow_with_the_window(sweep):
    page = sweep.page
    page.set_viewport_size({"width": 700, "height": 900})
    page.wait_for_timeout(300)
    narrow = page.locator("#chart-steps svg").bounding_box()["width"]
    page.set_viewport_size({"width": 1200, "height": 900})
    page.wait_for_timeout(300)
    assert page.locator("#chart-steps svg").bounding_box()["width"] > narrow + 200


def test_without_javascript_the_numbers_and_drawings_are_there(browser, pages):
    with open_page(browser, pages["sweep"], javascript=False) as opened:
        page = opened.page
        assert page.locator("table.sortable tbody tr[data-id]").count() == 12
        assert page.locator(".chart svg").count() == 5
        assert not page.locator("#controls").is_visible()
        assert opened.errors == []


def test_names_from_records_do_nothing(browser, tmp_path):
    evil = "<script>document.title = 'broken'</script><img src=x onerror=\"document.title='broken'\">"
    folder = Folder(tmp_path / "evil", {evil: [evil, "b"]})
    for index, value in enumerate((evil, "b")):
        history = [
            {"step": 1, "sparsity": 0.5, "accuracy_after": 0.9},
            {"step": 2, "sparsity": 0.6, "accuracy_after": 0.8},
        ]
        folder.add(
            f"j{index}", {evil: value}, metrics=make_metrics(val=0.9 + index / 100, history=history, prune=f"{index}")
        )
    report_html(folder.path)
    with open_page(browser, folder.path / "report.html") as opened:
        opened.wait()
        opened.page.locator("#chart-front-bytes .mark-symbol path").last.hover(force=True)
        opened.page.wait_for_selector("#vg-tooltip-element.visible")
        for point in opened.page.locator("#chart-front-bytes .mark-symbol path").all():
            point.hover(force=True)
            opened.page.wait_for_timeout(100)
        assert opened.page.title().startswith("evil")
        assert opened.errors == []
        assert len(opened.requests) == 1


def test_paper_has_no_controls(browser, pages):
    with open_page(browser, pages["sweep"], dark=True) as opened:
        opened.wait()
        opened.page.emulate_media(media="print")
        assert not opened.page.locator("#controls").is_visible()
        assert not opened.page.locator("nav").is_visible()
        assert opened.page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
        assert opened.page.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
