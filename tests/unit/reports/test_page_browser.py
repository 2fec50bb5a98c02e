"""The page in a real browser: draws, loads nothing, runs nothing foreign, fits a phone and a screen."""

import shutil
import subprocess

import pytest
from tests.support.example_comparison import example_comparison
from tests.unit.reports.test_page import hostile_comparison

from twentywatts.reports.document import comparison_document
from twentywatts.reports.page import comparison_page

pytest.importorskip("plotly")
sync_api = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium: apt-get install chromium"),
]


PATIENCE_MS = 180_000  # of a machine however busy


def launched(playwright):
    return playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"], timeout=PATIENCE_MS)


@pytest.fixture(scope="module")
def browser():
    if subprocess.run([CHROMIUM, "--version"], capture_output=True, check=False).returncode:
        pytest.skip("Chromium does not run here")  # a stub of another package, or a processor that it does not take
    with sync_api.sync_playwright() as playwright:
        try:
            started = launched(playwright)
        except sync_api.Error:  # a loaded machine lets it start too late
            started = launched(playwright)
        yield started
        started.close()


def opened(browser, path, *, width, height=844, **options):
    context = browser.new_context(viewport={"width": width, "height": height}, **options)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.troubles, page.loads = [], []
    page.on("pageerror", lambda error: page.troubles.append(str(error)))
    page.on("console", lambda message: page.troubles.append(message.text))
    page.on("request", lambda request: page.loads.append(request.url))
    page.goto(path.as_uri())
    return page


def drawn(page):
    page.wait_for_function("document.documentElement.dataset.charts === 'drawn'", timeout=PATIENCE_MS)
    return page


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    for name, comparison in (("good", example_comparison()), ("hostile", hostile_comparison())):
        (folder / f"{name}.html").write_text(comparison_page(comparison_document(comparison)), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def pages(browser, written):
    """Return the good page as a phone and as a screen show it: drawn once, read by several tests."""
    return {width: drawn(opened(browser, written / "good.html", width=width)) for width in (390, 1280)}


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_draws_fits_and_loads_nothing(pages, written, width):
    page = pages[width]
    assert page.troubles == []
    assert page.loads == [(written / "good.html").as_uri()]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.locator(".chart svg.main-svg").count() >= 3
    assert page.evaluate("Array.from(document.querySelectorAll('.chart'), c => c.clientWidth)") != [0, 0, 0]
    labels = page.locator("#chart-accuracy .annotation-text").all_text_contents()
    assert any("fake-spikes" in label for label in labels)


def test_no_two_names_in_the_accuracy_chart_cover_each_other(pages):
    boxes = [item.bounding_box() for item in pages[1280].locator("#chart-accuracy .annotation-text").all()]
    for index, a in enumerate(boxes):
        for b in boxes[index + 1 :]:
            apart_x = a["x"] + a["width"] <= b["x"] + 1 or b["x"] + b["width"] <= a["x"] + 1
            apart_y = a["y"] + a["height"] <= b["y"] + 3 or b["y"] + b["height"] <= a["y"] + 3
            assert apart_x or apart_y


def test_a_hostile_name_is_shown_and_not_run(browser, written):
    path = written / "hostile.html"
    page = drawn(opened(browser, path, width=1280))
    assert page.evaluate("typeof window.hacked") == "undefined"
    assert page.troubles == []
    assert page.loads == [path.as_uri()]
    assert "<script>window.hacked=1</script>" in page.inner_text("h1")
    assert "<b onmouseover" in page.inner_text("#chart-energy")


def test_without_javascript_the_tables_are_there_and_no_gap(browser, written):
    page = opened(browser, written / "good.html", width=1280, java_script_enabled=False)
    assert page.locator("table.results").is_visible()
    assert not page.locator(".chart").first.is_visible()
    assert page.locator("figure noscript p").first.is_visible()


def test_a_phone_shows_rows_as_cards_that_keep_the_meaning_of_a_table(pages):
    row = pages[390].get_by_role("row").filter(has_text="Fake spiking chip").first
    assert row.get_by_role("rowheader").count() == 1
    assert row.get_by_role("cell").count() == 6
