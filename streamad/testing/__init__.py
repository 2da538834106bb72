"""For authors of detectors, stages and connectors: the promises as test classes, and fakes.

``conformance`` holds one pytest class per protocol: subclass it, say how to make your object, and
inherit the checks. ``streams`` makes streams of many series from short recipes, ``strategies``
draws recipes for Hypothesis, ``fakes`` needs no files and no waiting, ``crash`` kills processes on
purpose. pytest and Hypothesis (the extra ``dev``) are imported by the modules that use them only.

Examples
--------
::

    from streamad.testing.conformance import DetectorConformance

    class TestMyDetector(DetectorConformance):
        def make(self):
            return MyDetector(warm_up=16)
"""
