"""The page in a real browser."""

from __future__ import annotations

import os
import shutil

import pytest

from streamad.reporting import write_report

CHROMIUM = os.environ.get("STREAMAD_CHROMIUM") or next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]
XSS = "<img src=x onerror=alert(1)>"
EPISODES = [(XSS, 100, 120, 4.0), (XSS, 300, 360, 1.5)]


@pytest.fixture(scope="module")
def browser():
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield launched
        launched.close()


class Visit:
    """A page that is open, with all that it did."""

    def __init__(self, browser, path, **options):
        self.context = browser.new_context(viewport={"width": 1280, "height": 900}, **options)
        self.page = self.context.new_page()
        self.messages, self.dialogs, self.requests = [], [], []
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("dialog", self._refuse)
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.resolve().as_uri())
        self.page.wait_for_selector(".charts canvas")

    def _refuse(self, dialog):
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def window(self, chart=0):
        """Seconds from the first to the last time that a chart shows."""
        return self.page.evaluate(
            f"(({{min, max}}) => max - min)(streamadReport.groups[0].charts[{chart}].u.scales.x)"
        )

    def ink(self):
        """Pixels of each canvas that are not empty."""
        return self.page.evaluate(
            """[...document.querySelectorAll("canvas")].map((c) => {
                 const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
                 let n = 0;
                 for (let i = 3; i < d.length; i += 4) if (d[i]) n++;
                 return n;
               })"""
        )


@pytest.fixture
def visit(browser, make_run):
    opened = []

    def go(run=None, **options):
        run = run or make_run(series=[XSS], channels=(XSS, "flow"), episodes=EPISODES)
        opened.append(Visit(browser, write_report(run.folder, run.batches()), **options))
        return opened[-1]

    yield go
    for one in opened:
        one.context.close()


def test_it_loads_without_a_complaint_and_asks_for_nothing_else(visit):
    page = visit()
    assert page.messages == []
    assert len([url for url in page.requests if not url.startswith("data:")]) == 1


def test_every_chart_is_drawn(visit):
    ink = visit().ink()
    assert len(ink) == 3
    assert min(ink) > 1000


def test_a_hostile_name_stays_text_everywhere(visit):
    page = visit()
    assert page.dialogs == []
    assert page.page.locator("img").count() == 0
    assert page.page.locator("article h3").inner_text() == XSS
    assert XSS in page.page.locator(".u-legend").first.inner_text()
    assert XSS in page.page.locator(".episode").first.inner_text()


def test_the_policy_stops_a_script_that_gets_in_all_the_same(visit):
    page = visit()
    page.page.evaluate(
        "document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=alert(1)>')"
    )
    page.page.wait_for_timeout(200)
    assert page.dialogs == []


def test_choosing_an_episode_zooms_all_charts_of_its_series(visit):
    page = visit()
    whole = page.window()
    page.page.locator(".episode button").first.click()
    assert page.window(0) < whole / 2
    assert page.window(0) == page.window(1) == page.window(2)
    assert "#alt_0000000000000000" in page.page.url


def test_the_whole_period_comes_back(visit):
    page = visit()
    whole = page.window()
    page.page.locator(".episode button").first.click()
    page.page.get_by_role("button", name="Show the whole period").click()
    assert whole == page.window()


def test_a_link_to_an_episode_opens_it(visit):
    first = visit()
    address = first.page.url + "#alt_0000000000000001"
    first.page.goto("about:blank")
    first.page.goto(address)
    first.page.wait_for_selector(".episode.chosen")
    assert first.page.locator(".episode.chosen").get_attribute("id") == "alt_0000000000000001"


def test_dragging_over_one_chart_zooms_the_others(visit):
    page = visit()
    whole = page.window(2)
    box = page.page.locator(".u-over").first.bounding_box()
    page.page.mouse.move(box["x"] + 100, box["y"] + 20)
    page.page.mouse.down()
    page.page.mouse.move(box["x"] + 300, box["y"] + 20)
    page.page.mouse.up()
    assert page.window(0) == page.window(2) < whole / 2


def test_the_switch_shows_the_final_score(visit):
    page = visit()
    shown = "streamadReport.groups[0].score.series.slice(1).map((s) => s.show)"
    assert page.page.evaluate(shown) == [True, False]
    page.page.get_by_text("final", exact=True).first.click()
    assert page.page.evaluate(shown) == [False, True]


def test_the_table_sorts_by_a_column(visit):
    page = visit()
    page.page.locator("th", has_text="Peak").click()
    first = page.page.locator(".episode").first.get_attribute("id")
    assert first == "alt_0000000000000001"


def test_it_is_drawn_anew_in_the_dark(visit):
    page = visit()
    page.page.emulate_media(color_scheme="dark")
    page.page.wait_for_timeout(100)
    assert min(page.ink()) > 1000
    assert page.messages == []


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_nothing_sticks_out_sideways(visit, width):
    page = visit()
    page.page.set_viewport_size({"width": width, "height": 800})
    page.page.wait_for_timeout(100)
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width


def test_runs_without_a_single_score_draw_empty_charts(visit, make_run):
    page = visit(make_run(judged=False))
    assert page.messages == []


def test_several_detectors_share_a_chart(visit, make_run):
    page = visit(make_run(detectors=("ewma", "knn"), episodes=[("pump-1", 100, 120, 4.0)]))
    assert page.messages == []
    assert "knn" in page.page.locator(".score .u-legend").inner_text()


def test_times_without_dates_are_counted_in_seconds(visit, make_run):
    page = visit(make_run(start_ns=0))
    assert page.messages == []
    assert "at" in page.page.locator(".score .u-legend").inner_text()


@pytest.fixture
def labelled(visit, make_run, evaluate):
    run = make_run(series=[XSS], channels=(XSS, "flow"), episodes=EPISODES)
    return visit(evaluate(run, {XSS: [(110, 130), (450, 460)]}))


def test_labels_are_drawn_without_a_complaint(labelled):
    assert (labelled.messages, labelled.dialogs) == ([], [])
    ink = labelled.ink()
    labelled.page.evaluate(
        "streamadReport.groups[0].series.labels.length = 0; streamadReport.choose(null)"
    )
    labelled.page.wait_for_timeout(100)
    assert all(bare < full for bare, full in zip(labelled.ink(), ink, strict=True))


def test_choosing_a_missed_label_zooms_to_it(labelled):
    whole = labelled.window()
    labelled.page.locator(".missed button").click()
    assert labelled.window() < whole / 2
    assert labelled.page.locator(".missed .chosen").count() == 1


@pytest.mark.parametrize("width", [360, 768, 1280])
def test_the_scorecard_does_not_stick_out_sideways(labelled, width):
    labelled.page.set_viewport_size({"width": width, "height": 800})
    labelled.page.wait_for_timeout(100)
    assert labelled.page.evaluate("document.documentElement.scrollWidth") <= width


def test_episodes_sort_by_their_label(labelled):
    labelled.page.locator("th", has_text="Label").click(click_count=1)
    labelled.page.locator("th", has_text="Label").click(click_count=1)
    assert "false" in labelled.page.locator(".episode").first.inner_text()
