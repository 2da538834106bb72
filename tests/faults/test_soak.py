"""A consumer under load and random faults for a while is the same as one that nobody troubles.

The environment variable STREAMAD_SOAK_S sets for how long; ``benchmarks/soak_kafka.py`` is the long
form, with more load.
"""

from __future__ import annotations

import os

import pytest
from reference.soak import FAULTS, Load, Soak

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

SECONDS = float(os.environ.get("STREAMAD_SOAK_S", "100"))
MOST_MB = 600


def test_load_and_random_faults_do_not_show(broker, tmp_path):
    soak = Soak(broker, tmp_path, Load(1500, SECONDS, n_series=200), gap_s=2.0)
    soak.run()
    soak.check()
    found = soak.report()
    assert len(found["faults"]) >= min(len(FAULTS), SECONDS // 20), found
    for life in found["lives"]:
        assert life["kb_most"] < 1024 * MOST_MB, life
        assert life["open_files_last"] <= life["open_files_first"] + 16, life
