"""scikit-learn's own checks, for every installed detector, and what its users rely on."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from reference.small_detectors import SMALL, skip_without_its_extra
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import check_estimator, parametrize_with_checks

import streamad
from streamad.core.errors import ConfigError
from streamad.detectors.registry import detector_names
from streamad.faces import SklearnFace
from streamad.faces.sklearn_face import LATEST, _offset

ORDER = "a row is scored after the rows before it, so their order and presence matter"
SECOND_TIME = (
    "wants fit_predict(X) to be fit(X).predict(X), in which the rows come a second time; what else "
    "it asks is asked below"
)
EXPECTED_FAILURES = {
    "check_methods_sample_order_invariance": ORDER,
    "check_methods_subset_invariance": ORDER,
    "check_outliers_fit_predict": SECOND_TIME,
    "check_outliers_train": SECOND_TIME,
}
"""They may pass where too few rows are given to be judged."""

unjudged = pytest.mark.filterwarnings("ignore:none of the:UserWarning")


@pytest.fixture(params=detector_names())
def name(request):
    skip_without_its_extra(request.param)
    return request.param


def face(name, **more):
    return SklearnFace(name, SMALL.get(name), **more)


@unjudged
@parametrize_with_checks(
    [face(name) for name in detector_names()],
    expected_failed_checks=lambda _: EXPECTED_FAILURES,
    xfail_strict=False,
)
def test_checks_of_scikit_learn_hold(estimator, check):
    skip_without_its_extra(estimator.detector)
    check(estimator)


@unjudged
def test_every_expected_failure_is_one():
    found = check_estimator(face("ewma"), expected_failed_checks=EXPECTED_FAILURES, on_skip=None)
    assert {one["check_name"] for one in found if one["status"] == "xfail"} == {*EXPECTED_FAILURES}
    assert {one["status"] for one in found} <= {"passed", "skipped", "xfail"}


def rows(n=400, seed=0):
    """Noisy shifted sines, with a spike near the end."""
    rng = np.random.default_rng(seed)
    t = np.arange(n)[:, None]
    x = np.sin(t * 0.3 + np.arange(2)) + 0.1 * rng.normal(size=(n, 2))
    x[n - 20] += 5.0
    return x


def ordinary(name, x):
    """Minus the causal scores of an array."""
    return -np.nan_to_num(streamad.score(x, name, **SMALL.get(name, {})).causal)


def test_rows_are_scored_as_those_that_come_next(name):
    x = rows()
    model = face(name).fit(x[:300])
    np.testing.assert_array_equal(model.score_samples(x[300:]), ordinary(name, x)[300:])


def test_scoring_changes_nothing(name):
    x = rows()
    model = face(name).fit(x[:300])
    first = model.score_samples(x[300:])
    model.predict(x)
    np.testing.assert_array_equal(model.score_samples(x[300:]), first)


def test_pieces_fit_as_a_whole(name):
    x = rows()
    whole, pieces = face(name).fit(x[:300]), face(name)
    for piece in np.split(x[:300], [1, 2, 120]):
        pieces.partial_fit(piece)
    np.testing.assert_array_equal(pieces.decision_function(x), whole.decision_function(x))


def test_fitting_again_starts_anew():
    x = rows()
    once, twice = face("knn").fit(x), face("knn").fit(x[::-1]).fit(x)
    np.testing.assert_array_equal(twice.decision_function(x), once.decision_function(x))


def test_that_share_of_the_fitted_rows_is_strange(name):
    x, _ = make_blobs(300, random_state=0)
    strangest = np.sort(ordinary(name, x))
    if strangest[29] == strangest[30]:
        pytest.skip("the scores of the 30th and 31st row are the same")
    labels = face(name, contamination=0.1).fit_predict(x)
    assert (labels == -1).sum() == 30


def test_about_that_share_of_later_rows_is_strange():
    x = rows(6000)
    model = SklearnFace("mahalanobis", contamination=0.02).fit(x[:4000])
    assert 0.01 < (model.predict(x[4000:]) == -1).mean() < 0.03


def test_the_fence_leaves_calm_rows_alone_and_finds_the_spike():
    x = rows(3000)
    model = SklearnFace("ewma").fit(x[:2000])
    assert np.flatnonzero(model.predict(x[2000:]) == -1).tolist() == [980]


def test_scores_of_zero_do_not_move_the_fence():
    positive = np.random.default_rng(0).exponential(size=500)
    assert _offset(np.append(positive, np.zeros(5000)), None) == _offset(positive, None) < -4


def test_scores_decision_and_labels_agree(name):
    x = rows()
    model = face(name).fit(x[:300].tolist())
    scores, decision = model.score_samples(x[300:]), model.decision_function(x[300:])
    np.testing.assert_array_equal(decision, scores - model.offset_)
    np.testing.assert_array_equal(model.predict(x[300:]), np.where(decision < 0, -1, 1))


def test_what_was_not_judged_is_ordinary():
    with pytest.warns(UserWarning, match="none of the 10 fitted rows was judged"):
        model = SklearnFace("ewma").fit(rows(30)[:10])
    assert model.offset_ == -np.inf
    assert (model.predict(rows(400)) == 1).all()


def test_a_first_piece_within_the_warm_up_is_no_reason_to_warn():
    model = SklearnFace("ewma").partial_fit(rows()[:10]).partial_fit(rows()[10:])
    assert np.isfinite(model.offset_)


def test_the_scores_kept_for_the_threshold_are_bounded():
    model = SklearnFace("ewma")
    for _ in range(3):
        model.partial_fit(rows(6000))
    assert len(model._latest) == LATEST


def test_a_pickled_model_goes_on_as_if_it_were_the_original(name):
    x = rows()
    model = face(name).fit(x[:200])
    other = pickle.loads(pickle.dumps(model))
    expected = model.partial_fit(x[200:300]).decision_function(x[300:])
    np.testing.assert_array_equal(
        other.partial_fit(x[200:300]).decision_function(x[300:]), expected
    )


def test_a_clone_has_parameters_and_no_state():
    model = face("knn", contamination=0.1).fit(rows())
    copied = clone(model)
    assert copied.get_params() == model.get_params()
    with pytest.raises(NotFittedError):
        copied.predict(rows())


def test_columns_of_a_frame_name_the_channels():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(rows(), columns=["flow", "level"])
    model = face("ewma").fit(frame)
    assert model.series_.detector.channels_ == ("flow", "level")
    assert model.feature_names_in_.tolist() == ["flow", "level"]


def test_missing_values_are_taken():
    x = rows()
    x[100:150, 0] = np.nan
    model = face("ewma").fit(x[:300])
    np.testing.assert_array_equal(model.score_samples(x[300:]), ordinary("ewma", x)[300:])


def test_infinite_values_are_refused():
    x = rows()
    x[3, 0] = np.inf
    with pytest.raises(ValueError, match="infinity"):
        face("ewma").fit(x)


@pytest.mark.parametrize("share", [0.0, 0.6, -0.1, "some", None])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(ConfigError, match="contamination must be 'auto' or lie in"):
        face("ewma", contamination=share).fit(rows())


def test_an_unknown_detector_is_refused_when_fitting():
    with pytest.raises(ConfigError, match="did you mean 'knn'"):
        SklearnFace("kn").fit(rows())
