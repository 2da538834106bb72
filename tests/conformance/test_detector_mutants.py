"""The checks of detectors can fail: an honest one passes, each broken one is caught."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
import pytest

from streamad.core.data import Scores, WindowSpec
from streamad.testing.conformance import DetectorConformance

pytestmark = pytest.mark.usefixtures("first_failure_is_enough")


class Honest:
    """Distance from the running mean of a series, blurred by chance that is part of the state."""

    window = WindowSpec(length=2)
    explains = True
    lag = 0

    def __init__(self, blur=1e-3):
        self.blur = blur

    def get_params(self):
        return {"blur": self.blur}

    def clone(self):
        return type(self)(**self.get_params())

    def open(self, channels):
        self.state = {
            "mean": np.zeros((0, len(channels))),
            "count": np.zeros(0, np.int64),
            "chance": np.zeros(0, np.int64),
        }

    def admit(self, codes, names):
        grow = max(0, int(codes.max()) + 1 - len(self.state["count"]))
        for name, array in self.state.items():
            self.state[name] = np.concatenate(
                (array, np.zeros((grow, *array.shape[1:]), array.dtype))
            )
        self.state["mean"][codes] = 0.0
        self.state["count"][codes] = 0
        self.state["chance"][codes] = [zlib.crc32(name.encode()) for name in names]

    def score(self, windows):
        last, codes = self.last(windows), windows.codes
        apart = np.abs(last - self.state["mean"][codes])
        causal = apart.sum(axis=1) + self.blur * (self.state["chance"][codes] % 1000)
        ready = (self.state["count"][codes] >= 4) & np.isfinite(windows.values).any(axis=(1, 2))
        total = apart.sum(axis=1, keepdims=True)
        even = np.full_like(apart, 1.0 / apart.shape[1])
        shares = np.divide(apart, total, out=even, where=total > 0)
        return Scores(np.where(ready, causal, np.nan), None, None, shares.astype(np.float32))

    def learn(self, windows, scores):
        for code, row, window in zip(
            windows.codes, self.last(windows), windows.values, strict=True
        ):
            if np.isfinite(window).any():
                self.state["count"][code] += 1
                with np.errstate(invalid="ignore"):
                    self.state["mean"][code] += 0.1 * (row - self.state["mean"][code])
                self.state["chance"][code] = (self.state["chance"][code] * 16807) % 2147483647

    def last(self, windows):
        row = windows.values[:, -1]
        return np.where(np.isfinite(row), row, 0.0)

    def step(self, windows):
        parts = []
        for i in range(len(windows)):
            one = windows.take(slice(i, i + 1))
            parts.append(self.score(one))
            self.learn(one, parts[-1])
        if not parts:
            return self.score(windows)
        return Scores(
            np.concatenate([part.causal for part in parts]),
            None,
            None,
            np.concatenate([part.shares for part in parts]),
        )

    def close(self, codes):
        return np.empty(0, np.int32), np.empty(0)

    def snapshot(self):
        return {name: array.copy() for name, array in self.state.items()}

    def restore(self, snapshot):
        self.state = {name: array.copy() for name, array in snapshot.items()}


class LearnsAtTheEndOfABatch(Honest):
    def step(self, windows):
        scores = self.score(windows)
        self.learn(windows, scores)
        return scores


class LeaksAcrossSeries(Honest):
    def learn(self, windows, scores):
        super().learn(windows, scores)
        self.state["mean"][:] = self.state["mean"][-1]


class ForgetsItsChance(Honest):
    def snapshot(self):
        return super().snapshot() | {"chance": np.zeros_like(self.state["chance"])}


class AliasesItsSnapshot(Honest):
    def snapshot(self):
        return self.state


class AliasesTheRestoredSnapshot(Honest):
    def restore(self, snapshot):
        self.state = dict(snapshot)


class AliasesItsInput(Honest):
    def open(self, channels):
        super().open(channels)
        self.before = {}

    def score(self, windows):
        scores = super().score(windows)
        before = [self.before.get(code, [0.0])[0] for code in windows.codes]
        return Scores(scores.causal + np.nan_to_num(before), None, None, scores.shares)

    def learn(self, windows, scores):
        super().learn(windows, scores)
        self.before |= dict(zip(windows.codes, windows.values[:, -1], strict=True))


class AliasesItsAnswer(Honest):
    def open(self, channels):
        super().open(channels)
        self.before = {}

    def step(self, windows):
        scores = super().step(windows)
        for i, code in enumerate(windows.codes):
            scores.causal[i] += 0.1 * np.nan_to_num(self.before.get(code, 0.0))
            self.before[code] = scores.causal[i, ...]
        return scores


class WritesIntoItsInput(Honest):
    def step(self, windows):
        windows.values[np.isnan(windows.values)] = 0.0
        return super().step(windows)


class Peeks(Honest):
    def step(self, windows):
        scores = super().step(windows)
        ahead = np.append(self.last(windows)[1:, 0], 0.0) if len(windows) else scores.causal
        return Scores(scores.causal + ahead, None, None, scores.shares)


class Grows(Honest):
    def open(self, channels):
        super().open(channels)
        self.state["history"] = np.zeros(0)

    def step(self, windows):
        scores = super().step(windows)
        self.state["history"] = np.concatenate((self.state["history"], scores.causal))
        return scores


class KeepsTheOldSeries(Honest):
    def admit(self, codes, names):
        mean = self.state["mean"].copy()
        super().admit(codes, names)
        self.state["mean"][: len(mean)] = mean


class LearnsWhileScoring(Honest):
    def score(self, windows):
        scores = super().score(windows)
        self.state["chance"] += 1
        return scores


class StepsInAnotherWay(Honest):
    def learn(self, windows, scores):
        super().learn(windows, scores)
        if len(windows) == 1:
            self.state["mean"][windows.codes] += 1e-9

    def step(self, windows):
        causal, shares = np.empty(len(windows)), np.empty(windows.values[:, 0].shape, np.float32)
        for i in range(len(windows)):
            one = windows.take(slice(i, i + 1))
            scores = self.score(one)
            Honest.learn(self, one, scores)
            causal[i], shares[i] = scores.causal[0], scores.shares[0]
        return Scores(causal, None, None, shares)


class GivesInfiniteScores(Honest):
    def score(self, windows):
        scores = super().score(windows)
        flat = windows.values[:, 0, 0] == windows.values[:, 1, 0]
        return Scores(np.where(flat, np.inf, scores.causal), None, None, scores.shares)


class IsPoisonedByInfinity(Honest):
    def last(self, windows):
        row = windows.values[:, -1]
        return np.where(np.isnan(row), 0.0, row)

    def score(self, windows):
        with np.errstate(all="ignore"):
            scores = super().score(windows)
        sick = ~np.isfinite(scores.causal)
        return Scores(np.where(sick, np.nan, scores.causal), None, None, scores.shares)


class GivesSharesThatDoNotAddUp(Honest):
    def score(self, windows):
        scores = super().score(windows)
        return Scores(scores.causal, None, None, scores.shares * np.float32(0.9))


class LearnsEmptyWindows(Honest):
    def learn(self, windows, scores):
        super().learn(windows, scores)
        for code in windows.codes[np.isnan(windows.values).all(axis=(1, 2))]:
            self.state["count"][code] += 1


class JudgesEmptyWindows(Honest):
    def score(self, windows):
        scores = super().score(windows)
        return Scores(np.nan_to_num(scores.causal), None, None, scores.shares)


class ForgetsItsParameters(Honest):
    def clone(self):
        return type(self)()


class OwesAFinalTwice(Honest):
    lag = 1

    def step(self, windows):
        scores = super().step(windows)
        lag = np.zeros(len(windows), np.int32)
        return Scores(scores.causal, scores.causal, lag, scores.shares)

    def close(self, codes):
        return codes, np.ones(len(codes))


class GivesFloat32(Honest):
    def step(self, windows):
        scores = super().step(windows)
        return Scores(scores.causal.astype(np.float32), None, None, scores.shares)


class KeepsAnObject(Honest):
    def snapshot(self):
        return super().snapshot() | {"pickle": np.array([{}], np.object_)}


class NeverSpeaks(Honest):
    def score(self, windows):
        scores = super().score(windows)
        return Scores(np.full(len(windows), np.nan), None, None, scores.shares)


class HasNoClose(Honest):
    close = None


class NamesMembers(Honest):
    part_names = ("distance", "half")
    half = 0.5

    def score(self, windows):
        return self.with_parts(super().score(windows))

    def step(self, windows):
        return self.with_parts(super().step(windows))

    def with_parts(self, scores):
        parts = np.stack((scores.causal, self.half * scores.causal), axis=1)
        return replace(scores, parts=parts.astype(np.float32))


class NamesMoreMembersThanItHas(NamesMembers):
    part_names = ("distance", "half", "third")


class NamesNoMembers(NamesMembers):
    part_names = ()


class GivesNegativeParts(NamesMembers):
    half = -0.5


CAUGHT = [
    (LearnsAtTheEndOfABatch, "test_the_cut_into_batches_changes_nothing"),
    (LeaksAcrossSeries, "test_company_changes_nothing"),
    (ForgetsItsChance, "test_a_restart_changes_nothing"),
    (AliasesItsSnapshot, "test_nothing_handed_over_is_shared"),
    (AliasesTheRestoredSnapshot, "test_nothing_handed_over_is_shared"),
    (AliasesItsInput, "test_nothing_handed_over_is_shared"),
    (AliasesItsAnswer, "test_nothing_handed_over_is_shared"),
    (WritesIntoItsInput, "test_inputs_are_never_written"),
    (Peeks, "test_the_future_is_not_used"),
    (Grows, "test_memory_is_bounded"),
    (KeepsTheOldSeries, "test_a_slot_used_again_starts_afresh"),
    (KeepsAnObject, "test_a_snapshot_holds_numbers_only"),
    (HasNoClose, "test_it_has_the_verbs_of_a_detector"),
    (NeverSpeaks, "test_the_streams_of_the_checks_are_judged"),
    (GivesFloat32, "test_answers_have_the_shapes_and_dtypes_of_scores"),
    (LearnsWhileScoring, "test_scoring_is_pure"),
    (StepsInAnotherWay, "test_a_step_is_score_then_learn"),
    (OwesAFinalTwice, "test_every_judged_window_end_gets_one_final_score"),
    (GivesInfiniteScores, "test_difficult_numbers_give_finite_scores_or_none"),
    (IsPoisonedByInfinity, "test_infinite_values_leave_no_lasting_harm"),
    (NamesMoreMembersThanItHas, "test_answers_have_the_shapes_and_dtypes_of_scores"),
    (NamesNoMembers, "test_answers_have_the_shapes_and_dtypes_of_scores"),
    (GivesNegativeParts, "test_members_have_names_and_standardised_scores"),
    (GivesSharesThatDoNotAddUp, "test_shares_of_a_judged_window_sum_to_one"),
    (LearnsEmptyWindows, "test_a_window_without_values_is_neither_judged_nor_learned"),
    (JudgesEmptyWindows, "test_a_window_without_values_is_neither_judged_nor_learned"),
    (ForgetsItsParameters, "test_parameters_make_the_same_detector"),
]
CHECKS = sorted(name for name in dir(DetectorConformance) if name.startswith("test_"))


class Suite(DetectorConformance):
    effort = 0.5
    max_rows = 120
    settled_rows = 60

    def __init__(self, kind):
        self.kind = kind

    def make(self):
        return self.kind(blur=2e-3)


@pytest.mark.parametrize("check", CHECKS)
def test_an_honest_detector_passes(check):
    getattr(Suite(Honest), check)()


@pytest.mark.parametrize(("kind", "check"), CAUGHT)
def test_a_broken_detector_is_caught(kind, check):
    with pytest.raises(ValueError if kind is WritesIntoItsInput else AssertionError):
        getattr(Suite(kind), check)()


def test_every_check_has_a_detector_that_it_catches():
    assert {check for _, check in CAUGHT} == set(CHECKS)
