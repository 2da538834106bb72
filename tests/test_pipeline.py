"""The pipeline joins what the stages say: rows, scores, names, alerts."""

from __future__ import annotations

import numpy as np
import pytest
from reference.judging import windows_of
from reference.two_views import REASONS, TwoViews

from streamad.alerting import EpisodeMachine, EpisodeRules
from streamad.core.data import NO_MEMBERS, Batch, Schema
from streamad.core.errors import ConfigError, NotFittedError
from streamad.core.protocols import members_of
from streamad.detectors.registry import make_detector
from streamad.pipeline import Pipeline, Stage
from streamad.thresholds import make_threshold
from streamad.windowing.event_time import EventTime
from streamad.windowing.pending import FixedLag
from streamad.windowing.sliding import Sliding

SECOND_NS = 1_000_000_000


def stage(
    detector: str = "ewma",
    *,
    output: str = "causal",
    line: float = 5.0,
    name: str = "fast",
    **params,
) -> Stage:
    made = TwoViews(**params) if detector == "two_views" else make_detector(detector, params)
    return Stage(
        name,
        made,
        Sliding(made.window),
        FixedLag(made.lag + 1),
        make_threshold("fixed", {"value": line}),
        EpisodeMachine(
            EpisodeRules(), pipeline="plant", detector=name, detector_type=detector, labels={}
        ),
        output,
    )


def opened(*stages: Stage, channels=("flow",), **ordering) -> Pipeline:
    pipeline = Pipeline("plant", EventTime(**ordering), stages)
    pipeline.open(channels)
    return pipeline


def batch(values, *, times=None, names=None, channels=("flow",), offset=0) -> Batch:
    array = np.asarray(values, np.float64).reshape(len(values), -1)
    schema = Schema(channels)
    codes = schema.codes(names if names is not None else ["pump"] * len(array))
    seconds = np.arange(len(array)) if times is None else np.asarray(times)
    return Batch(schema, codes, seconds * SECOND_NS, array, "p", offset + len(array))


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=n)


def joined(outputs, column: str) -> np.ndarray:
    return np.concatenate([getattr(rows, column) for out in outputs for rows in out.scores])


def test_every_row_comes_out_once_with_both_scores():
    pipeline = opened(stage("knn", length=8, warm_up=40))
    outputs = [pipeline.process(batch(noise(300))), pipeline.finish()]
    times = joined(outputs, "times") // SECOND_NS
    assert times.tolist() == list(range(300))
    judged = ~np.isnan(joined(outputs, "score"))
    assert judged[100:].all()
    assert not judged[:40].any()
    np.testing.assert_array_equal(judged, ~np.isnan(joined(outputs, "score_final")))


def test_a_row_waits_for_its_final_score():
    pipeline = opened(stage("knn", length=8, warm_up=40))
    out = pipeline.process(batch(noise(100)))
    assert sum(len(rows) for rows in out.scores) == 100 - 7
    assert sum(len(rows) for rows in pipeline.finish().scores) == 7


def test_an_alert_of_the_causal_score_comes_with_the_row_itself():
    values = noise(300)
    values[250] = 40.0
    out = opened(stage("ewma", warm_up=50)).process(batch(values))
    assert out.alerts[0].event == "open"
    assert out.alerts[0].start_ns == 250 * SECOND_NS
    assert out.alerts[0].contributions[0].actual == 40.0
    assert abs(out.alerts[0].contributions[0].expected) < 3.0


def test_the_final_score_can_drive_the_alerts():
    values = noise(400)
    values[300:304] = 9.0
    pipeline = opened(stage("knn", output="final", line=1.5, length=8, warm_up=40))
    out = [pipeline.process(batch(values)), pipeline.finish()]
    final, line, ratio = (joined(out, name) for name in ("score_final", "threshold", "ratio"))
    np.testing.assert_array_equal(line, np.full(400, 1.5))
    np.testing.assert_allclose(ratio, final / 1.5, rtol=1e-12)
    first = int(np.flatnonzero(ratio >= 1.0)[0])
    opens = [alert for o in out for alert in o.alerts if alert.event == "open"]
    assert opens[0].start_ns == first * SECOND_NS


def test_a_row_that_fills_a_gap_is_written_and_not_judged():
    times = np.r_[0:100, 105:200]
    pipeline = opened(stage("ewma", warm_up=10), period_ns=SECOND_NS, fill="hold")
    out = pipeline.process(batch(noise(len(times)), times=times))
    score, seconds = joined([out], "score"), joined([out], "times") // SECOND_NS
    assert seconds.tolist() == list(range(200))
    assert np.isnan(score[100:105]).all()
    assert not np.isnan(score[105])


def test_an_evicted_series_resolves_its_episode_and_gives_its_rows():
    values = noise(120)
    values[-1] = 50.0
    pipeline = opened(stage("knn", length=8, warm_up=40, line=1.5), max_keys=1)
    first = pipeline.process(batch(values, names=["a"] * 120))
    second = pipeline.process(batch(noise(5), names=["b"] * 5, times=range(200, 205)))
    assert sum(len(r) for r in first.scores) + sum(len(r) for r in second.scores) >= 120
    events = [(a.series, a.event, a.reason) for a in [*first.alerts, *second.alerts]]
    assert ("a", "resolve", "no_data") in events
    rows = [(rows.series[c]) for rows in second.scores for c in rows.codes]
    assert rows.count("a") == 7


def test_names_stay_right_when_slots_are_reused_many_times():
    pipeline = opened(stage("ewma", warm_up=2), max_keys=2)
    for n in range(3000):
        name = f"series-{n}"
        out = pipeline.process(batch([1.0, 2.0], names=[name] * 2, times=[2 * n, 2 * n + 1]))
        assert {rows.series[c] for rows in out.scores for c in rows.codes} == {name}


def test_two_detectors_write_their_rows_side_by_side():
    out = opened(stage(name="fast"), stage("mahalanobis", name="cloud")).process(batch(noise(300)))
    assert {rows.detector for rows in out.scores} == {"fast", "cloud"}


def test_channel_shares_come_with_the_scores_of_several_channels():
    values = np.column_stack((noise(300), noise(300, 1)))
    values[250, 1] = 30.0
    pipeline = opened(stage(warm_up=50), channels=("flow", "heat"))
    out = pipeline.process(batch(values, channels=("flow", "heat")))
    shares = joined([out], "shares")
    np.testing.assert_allclose(shares[100:].sum(axis=1), 1.0, rtol=1e-5)
    assert shares[250, 1] > 0.9
    assert out.alerts[0].contributions[0].channel == "heat"


CHANNELS = ("flow", "heat")


def two_channels():
    """Noise, and the second channel off from row 250 to 253, most in row 252."""
    values = np.column_stack((noise(300), noise(300, 1)))
    values[250:254, 1] += [15.0, 20.0, 50.0, 10.0]
    return values


def said_of(values):
    """What the detector with two members says of every row."""
    detector = TwoViews()
    detector.open(CHANNELS)
    detector.admit(np.zeros(1, np.int32), ["pump"])
    return detector.step(windows_of(values, detector.window.length))


def run_in_pieces(values, output):
    """Alerts of the detector with two members, the rows cut within the episode."""
    pipeline = opened(stage("two_views", output=output, line=12.0), channels=CHANNELS)
    alerts = []
    for rows in np.split(np.arange(len(values)), [140, 251, 253]):
        out = pipeline.process(batch(values[rows], times=rows, channels=CHANNELS))
        alerts += out.alerts
    return pipeline, [*alerts, *pipeline.finish().alerts]


@pytest.mark.parametrize(("output", "lag"), [("causal", 0), ("final", 5)])
def test_an_alert_tells_the_row_of_the_largest_causal_score(output, lag):
    values, said = two_channels(), said_of(two_channels())
    _, (*_, resolved) = run_in_pieces(values, output)
    first, last = (t // SECOND_NS for t in (resolved.start_ns, resolved.detected_ns))
    row = first + int(np.argmax(said.causal[first : last + lag + 1]))
    assert {part.name: part.score for part in resolved.members} == dict(
        zip(("level", "jump"), said.parts[row].tolist(), strict=True)
    )
    assert resolved.members[0].reason == REASONS[resolved.members[0].name]
    assert resolved.members[0].reason in resolved.summary
    blamed = resolved.contributions[0]
    assert (blamed.channel, blamed.share) == ("heat", float(said.shares[row, 1]))
    assert (blamed.actual, blamed.expected) == (values[row, 1], said.expected[row, 1])


def test_the_first_event_of_a_final_score_tells_what_is_to_come():
    values, said = two_channels(), said_of(two_channels())
    _, (first, *_) = run_in_pieces(values, "final")
    start = first.start_ns // SECOND_NS
    row = start + int(np.argmax(said.causal[start : start + 6]))
    assert start < 250 <= row
    assert first.contributions[0].actual == values[row, 1]
    assert first.members[0].score == float(said.parts[row].max())


def test_a_final_score_peaks_elsewhere_than_the_row_that_tells_its_cause():
    _, (*_, resolved) = run_in_pieces(two_channels(), "final")
    row = np.flatnonzero(two_channels()[:, 1] == resolved.contributions[0].actual)[0]
    assert resolved.peak_ns != row * SECOND_NS


@pytest.mark.parametrize(("output", "waiting"), [("causal", 2), ("final", 4)])
def test_parts_wait_only_where_alerts_do(output, waiting):
    pipeline, _ = run_in_pieces(two_channels(), output)
    assert pipeline.snapshot()["fast/pending/details"].shape == (1, 6, waiting)


@pytest.mark.parametrize("output", ["causal", "final"])
def test_shares_in_the_score_table_are_those_of_the_detector(output):
    values, said = two_channels(), said_of(two_channels())
    pipeline = opened(stage("two_views", output=output), channels=CHANNELS)
    found = joined(
        [pipeline.process(batch(values, channels=CHANNELS)), pipeline.finish()], "shares"
    )
    np.testing.assert_array_equal(found, said.shares)


def test_a_detector_without_the_attributes_of_members_names_none():
    class Foreign:
        """A detector that knows nothing of members."""

    assert members_of(Foreign()) == NO_MEMBERS


def test_inputs_are_not_written_to():
    made = batch(noise(200))
    made.values.setflags(write=False)
    made.times.setflags(write=False)
    opened(stage("knn", length=8, warm_up=40)).process(made)


def test_a_batch_of_other_channels_is_refused():
    with pytest.raises(NotFittedError, match=r"open for the channels \('flow',\)"):
        opened(stage()).process(batch([1.0], channels=("heat",)))


def test_two_stages_of_one_name_are_refused():
    with pytest.raises(ConfigError, match="own name"):
        Pipeline("plant", EventTime(), [stage(), stage()])
