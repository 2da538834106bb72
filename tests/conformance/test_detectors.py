"""Every installed detector keeps the promises; the registry names them, so none is forgotten.

Those of river do so in the tests of their adapter.
"""

from __future__ import annotations

import pytest
from reference.small_detectors import SMALL, skip_without_its_extra
from reference.two_views import TwoViews

from streamad.detectors.registry import detector_names, make_detector
from streamad.testing.conformance import DetectorConformance


class TestDetector(DetectorConformance):
    effort = 0.2
    """All examples of a profile would take half an hour."""

    @pytest.fixture(autouse=True, params=detector_names())
    def _choose(self, request):
        self.name = request.param
        skip_without_its_extra(self.name)

    def make(self):
        return make_detector(self.name, SMALL.get(self.name))


class TestDetectorWithMembers(DetectorConformance):
    effort = 0.5

    def make(self):
        return TwoViews()
