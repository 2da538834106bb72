"""Judged rows in, alerts out: an episode has a start, an end, a severity and an identity."""

from streamad.alerting.criticality import Criticality
from streamad.alerting.machine import EpisodeMachine, alert_id
from streamad.alerting.rules import EpisodeRules, SeverityRule

__all__ = ["Criticality", "EpisodeMachine", "EpisodeRules", "SeverityRule", "alert_id"]
