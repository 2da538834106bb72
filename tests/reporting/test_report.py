from __future__ import annotations

import json
import re

import pytest

from streamad.core.errors import ConfigError
from streamad.reporting import write_report

MB = 1 << 20


def page_of(run, batches=None):
    return write_report(run.folder, batches).read_text(encoding="utf-8")


def data_of(page):
    return json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])


def test_a_page_tells_episodes_and_draws_values_and_scores(make_run):
    run = make_run(channels=("flow", "level"), episodes=[("pump-1", 100, 120, 4.0)])
    page = page_of(run, run.batches())
    (series,) = data_of(page)["series"]
    assert "1 episode on 1 series, critical." in page
    assert "level 9 (expected 1); 4.0 × threshold" in page
    assert [channel["name"] for channel in series["values"]["channels"]] == ["flow", "level"]
    assert [band["id"] for band in series["bands"]] == ["alt_0000000000000000"]


def test_without_batches_only_scores_are_drawn(make_run):
    assert data_of(page_of(make_run()))["series"][0]["values"] is None


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"judged": False},
        {"n_rows": 0},
        {"n_rows": 1},
        {"detectors": ("ewma", "knn", "fusion")},
        {"channels": tuple(f"sensor {c}" for c in range(38))},
        {"lag": False},
    ],
    ids=str,
)
def test_any_run_gives_a_page(make_run, given):
    run = make_run(**given)
    assert page_of(run, run.batches()).endswith("</html>")


def test_of_a_thousand_series_those_with_episodes_are_drawn(make_run):
    names = [f"pump-{i}" for i in range(1000)]
    run = make_run(
        series=names, n_rows=80, episodes=[("pump-7", 60, 62, 4.0), ("pump-900", 60, 62, 9.0)]
    )
    drawn = [series["name"] for series in data_of(page_of(run, run.batches()))["series"]]
    assert len(drawn) == 12
    assert drawn[:2] == ["pump-900", "pump-7"]


def test_the_page_stays_small_however_much_there_is(make_run):
    run = make_run(
        series=[f"line {i}" for i in range(12)],
        channels=tuple(f"sensor {c}" for c in range(38)),
        detectors=("ewma", "knn", "fusion", "mahalanobis"),
        n_rows=6000,
        episodes=[(f"line {i % 12}", 100 + 10 * i, 105 + 10 * i, 2 + i % 5) for i in range(500)],
    )
    assert write_report(run.folder, run.batches()).stat().st_size < 5 * MB


def test_many_episodes_are_listed_up_to_a_limit_and_counted(make_run):
    run = make_run(
        n_rows=3000, episodes=[("pump-1", 60 + 5 * i, 62 + 5 * i, 4.0) for i in range(300)]
    )
    page = page_of(run)
    assert page.count('class="episode charted"') == 200
    assert "The 200 strongest of 300 are listed" in page


@pytest.mark.parametrize("name", ["alerts.jsonl", "metrics.json"])
def test_files_that_are_not_there_are_not_missed(make_run, name):
    run = make_run()
    (run.folder / name).unlink()
    assert page_of(run).endswith("</html>")


def test_metrics_of_the_run_are_shown(make_run):
    run = make_run()
    metrics = {"rejects": {"too_many_keys": 31}, "peak_rss_mb": 412.4, "versions": {"numpy": "2.0"}}
    (run.folder / "metrics.json").write_text(json.dumps(metrics))
    page = page_of(run)
    for text in ("Rejected: too many keys", "31 rows", "412 MB", "numpy 2.0"):
        assert text in page


def test_the_first_rejected_rows_are_shown(make_run):
    run = make_run()
    row = {"reason": "late", "detail": "expected a time of at least 5, got 3", "row": {}}
    (run.folder / "rejects.jsonl").write_text((json.dumps(row) + "\n") * 100)
    assert page_of(run).count("<li>late: expected a time of at least 5, got 3</li>") == 8


def test_a_member_never_becomes_markup(make_run):
    run = make_run(episodes=[("pump-1", 100, 120, 4.0)])
    path = run.folder / "alerts.jsonl"
    member = {"name": "<b>", "score": 6.5, "share": 0.75, "reason": '" onload="x'}
    events = [json.loads(line) | {"members": [member]} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    page = page_of(run)
    assert "&lt;b&gt; 75 %" in page
    assert '" onload="x' not in page


def test_the_configuration_says_which_score_drives_the_alerts(make_run):
    run = make_run(detectors=("a", "b"))
    (run.folder / "config.lock.yaml").write_text(
        "output: causal\ndetectors:\n- {name: a, output: null}\n- {name: b, output: final}\n"
    )
    assert data_of(page_of(run))["drives"] == {"a": "causal", "b": "final"}


def test_missing_values_are_told_by_channel(make_run):
    run = make_run(channels=("flow", "level"))
    assert "Missing: flow</dt><dd>6, 1 %" in page_of(run, run.batches())


def test_a_final_score_equal_to_the_causal_one_is_not_stored_twice(make_run):
    run = make_run(lag=False)
    assert data_of(page_of(run))["series"][0]["scores"][0]["final"] is None


def test_the_same_run_gives_the_same_page(make_run):
    run = make_run(episodes=[("pump-1", 100, 120, 4.0)])
    assert page_of(run, run.batches()) == page_of(run, run.batches(rows=17))


NASTY = ["<img src=x onerror=alert(1)>", "</script><script>alert(1)</script>", '" onload="x']


@pytest.mark.parametrize("name", NASTY)
def test_a_name_never_becomes_markup(make_run, name):
    run = make_run(series=[name], channels=(name,), episodes=[(name, 100, 120, 4.0)])
    assert name not in page_of(run, run.batches())


def test_a_name_that_is_no_unicode_is_shown_somehow(make_run):
    run = make_run(episodes=[("pump-1", 100, 120, 4.0)])
    path = run.folder / "alerts.jsonl"
    path.write_text(path.read_text().replace("flow", r"\ud800"))
    assert "&#55296;" in page_of(run)


def test_the_page_asks_for_nothing_from_anywhere(make_run):
    run = make_run(episodes=[("pump-1", 100, 120, 4.0)])
    page = page_of(run, run.batches())
    assert re.findall(r"(?:src|href|url|import)\s*[=(]\s*[\"']?(?!data:)(?:https?:)?//", page) == []
    assert "default-src 'none'" in page


def test_a_page_that_cannot_be_written_says_where_it_should_go(make_run):
    run = make_run()
    (run.folder / "report.html").mkdir()
    with pytest.raises(ConfigError, match=r"the report should go to .*report\.html"):
        write_report(run.folder)


def test_no_half_written_page_is_left(make_run):
    run = make_run()
    write_report(run.folder)
    assert [p.name for p in run.folder.iterdir() if "report" in p.name] == ["report.html"]


def test_batches_are_read_once_and_not_kept(make_run):
    """A second pass over 40 times as many rows must not hold them."""
    import tracemalloc

    run = make_run(n_rows=3000, channels=tuple("abcd"))
    one = list(run.batches(rows=3000))

    def many():
        for _ in range(300):
            yield one[0]

    tracemalloc.start()
    write_report(run.folder, many())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 300 * one[0].values.nbytes / 2
