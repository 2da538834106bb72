"""Scores and alerts against labels: pure functions on arrays, equal to the reference programs.

Metrics of scores over all thresholds (``vus``, ``auc_pr``, ``auc_roc``) need no threshold. The
others come in pairs: ``NAME`` takes given flags, ``best_NAME`` searches thresholds with the labels
in hand and is an oracle, an upper bound that no deployed detector reaches.
"""

from streamad.evaluation.affiliation import Affiliation, affiliation, best_affiliation
from streamad.evaluation.baseline import Ranking, random_baseline, rank
from streamad.evaluation.care import CareDataset, CareScore, care_score, score_dataset
from streamad.evaluation.care_rules import PRESETS, CareRules
from streamad.evaluation.events import EventScore, SeriesRun, Tolerance, event_score
from streamad.evaluation.label_files import read_labels
from streamad.evaluation.labels import Labels
from streamad.evaluation.legacy import best_point_adjusted_f1, point_adjusted_f1
from streamad.evaluation.nab import PROFILES, NabFile, NabScore, nab_score
from streamad.evaluation.ranges import best_event_f, best_range_f1, event_f, range_f1
from streamad.evaluation.ranking import auc_pr, auc_roc, best_f1, fixed_f1, positive_share
from streamad.evaluation.severity import SeverityScore, agreement, severity_score
from streamad.evaluation.vus import Vus, vus
from streamad.evaluation.window import window_length

__all__ = [
    "PRESETS",
    "PROFILES",
    "Affiliation",
    "CareDataset",
    "CareRules",
    "CareScore",
    "EventScore",
    "Labels",
    "NabFile",
    "NabScore",
    "Ranking",
    "SeriesRun",
    "SeverityScore",
    "Tolerance",
    "Vus",
    "affiliation",
    "agreement",
    "auc_pr",
    "auc_roc",
    "best_affiliation",
    "best_event_f",
    "best_f1",
    "best_point_adjusted_f1",
    "best_range_f1",
    "care_score",
    "event_f",
    "event_score",
    "fixed_f1",
    "nab_score",
    "point_adjusted_f1",
    "positive_share",
    "random_baseline",
    "range_f1",
    "rank",
    "read_labels",
    "score_dataset",
    "severity_score",
    "vus",
    "window_length",
]
