"""What the engine itself has to report, as alerts and as rejected rows."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace

from streamad.core.data import Alert, Reject
from streamad.core.errors import StateLost
from streamad.core.event import iso_time
from streamad.core.protocols import DataGap
from streamad.pipeline import Output, Pipeline
from streamad.quarantine import Failure


def gap_output(gap: DataGap, pipeline: Pipeline) -> Output:
    """Rows that were gone before they were read: an alert, resolved at once, and a dead letter.

    Parameters
    ----------
    gap : DataGap
    pipeline : Pipeline
        Of its partition; the alert is dated by the event time that it has reached.

    Notes
    -----
    The id rests on the offset at which the rows begin to miss, so that a gap which is found again
    after a crash, and has grown meanwhile, keeps its id.
    """
    told = (
        f"the rows {gap.from_offset} to {gap.to_offset - 1} were gone before they were read; "
        f"{gap.detail}"
    )
    lost = Reject(
        gap.partition,
        gap.from_offset,
        "data_gap",
        gap.detail,
        {"from_offset": gap.from_offset, "to_offset": gap.to_offset},
    )
    return Output(alerts=_notice(pipeline, lost, told), rejects=[lost])


def lost_output(lost: StateLost, partition: str, pipeline: Pipeline) -> Output:
    """No snapshot was left of a partition that was read: an alert and a dead letter, as for a gap.

    Parameters
    ----------
    lost : StateLost
    partition : str
    pipeline : Pipeline
        As it begins.
    """
    where = {"read_up_to": lost.read_up_to}
    about = Reject(partition, lost.read_up_to, "state_lost", str(lost), where)
    return Output(alerts=_notice(pipeline, about, str(lost)), rejects=[about])


def _notice(pipeline: Pipeline, about: Reject, told: str) -> list[Alert]:
    """An alert about a partition that is resolved at once; its id rests on reason and offset."""
    at_ns = pipeline.watermark_ns or 0
    text = "\u241f".join((pipeline.name, about.partition, about.reason, str(about.offset)))
    opened = Alert(
        event="open",
        id="alt_" + hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16],
        seq=1,
        pipeline=pipeline.name,
        series=about.partition,
        detector="source",
        detector_type="source",
        severity="critical",
        start_ns=at_ns,
        end_ns=None,
        detected_ns=at_ns,
        score=math.nan,
        threshold=math.nan,
        ratio=math.nan,
        peak_ns=at_ns,
        peak_score=math.nan,
        peak_ratio=math.nan,
        reason=about.reason,
        summary=f"{about.partition}: {told}",
    )
    return [opened, replace(opened, event="resolve", seq=2, end_ns=at_ns)]


def failure_reject(failure: Failure, partition: str) -> Reject:
    """A window on which a detector raised, for the dead letters."""
    detail = (
        f"detector {failure.detector!r} raised {failure.error}: {failure.detail} "
        f"({failure.count} so far in this series)"
    )
    if failure.quarantined:
        detail += "; it judges this series no more"
    row = {"series": failure.series, "time": iso_time(failure.time_ns)}
    return Reject(partition, None, "detector", detail, row)
