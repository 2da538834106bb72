"""The configurations that the demonstrations write."""

from __future__ import annotations

import json
from pathlib import Path

PIPELINE = "water-flow"

_SERIES = """\
# The series: {n_rows:,} hourly values of the water flow in a pipeline branch, Italy, March to May
# 2022, donated by Tecnojest s.r.l.; a copy of the file that comes with the library river (BSD-3).
"""

_RULES = """\
detectors:
  - type: fusion                 # the default detector: nine members, each on its own scale
    params:
      # Rows that fit scales and windows and are not judged. The default of 1000 suits months of
      # rows; here it would be six weeks. Three days see every hour of the day three times. It
      # matters: a warm-up that is longer than that runs into the first incident and learns it as
      # ordinary, and the table at the end of the demo shows what becomes of the others then.
      warm_up: 72
    # The fused score counts standard deviations above what is ordinary: five of them. The default,
    # spot, learns its line from 512 further scores: too many here.
    threshold: {{type: fixed, value: 5}}

alerts:
  open: {{ratio: 1.0, for: 1}}   # one hour is enough: an hour is the shortest event of interest
  close: {{ratio: 1.0}}            # an episode ends under the line, not only well under it
  merge_gap: 3h                  # calm of less than three hours does not end an episode
"""

FILE_CONFIG = f"""\
# Written by `streamad demo`; copy it before you change it.
#
{_SERIES}version: 1
pipeline: {PIPELINE}

source:
  type: csv
  path: {{path}}
  time: Time
  series: branch-1

{_RULES}"""
"""To be formatted with ``n_rows`` and ``path``."""

LIVE_MARK = "# Written by `streamad demo --kafka`"

LIVE_CONFIG = f"""\
{LIVE_MARK}; run it again with `streamad run`, copy it before you change it.
#
{_SERIES}version: 1
pipeline: {PIPELINE}

source:
  type: kafka
  brokers: {{brokers}}
  topics: [{{topic}}]
  group: {{topic}}
{{membership}}
  assignor: range                # one step to join a group instead of two
  start: earliest
  format:
    type: json
    key: $.branch
    time: {{{{path: $.time, unit: iso8601}}}}
    values: [$.flow]

{_RULES}  update_every: 3h               # how an episode goes on: more events for the proof

sinks:
  - {{{{type: jsonl, path: {{alerts}}}}}}

state: {{{{dir: {{state}}, every: 1s}}}}
web: {{{{port: 0}}}}
"""
"""To be formatted with ``n_rows``, ``brokers``, ``topic``, ``membership`` (one of the two below),
``alerts`` and ``state``."""

STATIC = """\
  instance_id: demo              # comes back after a kill without waiting for its old session
  session_timeout: 10s"""

SHORT = """\
  session_timeout: 3s            # after a kill its old session is soon over"""
"""Apache Kafka allows 6 seconds at least. The embedded broker allows this, and is slow to let a
static member come back."""

SINGLE_PASS = (
    "source={{type: csv, path: {path}, time: time, key: branch, values: [flow]}}",
    "sinks=[]",
)
"""What makes a replay of the same rows in a file of it; to be formatted with ``path``."""


def quoted(path: Path) -> str:
    """A path as YAML in which nothing is replaced."""
    return json.dumps(str(path).replace("$", "$$"))
