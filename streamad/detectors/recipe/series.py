"""The state of warm series: where their parts lie in the arena, and how they come to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from streamad.core.data import Floats, Ints
from streamad.detectors.recipe.component import BLOCK, Component, Fitted
from streamad.detectors.recipe.prepare import Prepared, prepare

COLUMNS = 4
"""Numbers of a channel's scale."""

LEAST_WARM_UP = 32


@dataclass(frozen=True, slots=True)
class Use:
    """What a score is worth in the fusion.

    Attributes
    ----------
    weight : float
    causal, final : bool
        Which fused score it takes part in.
    plain : bool
        Its score counts as it is, without a normaliser.
    """

    weight: float = 1.0
    causal: bool = True
    final: bool = True
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Started:
    """A series at the end of its warm-up.

    Attributes
    ----------
    block : float64 (k,)
        Scales, row buffer, normalisers, then one block a component.
    parts : int64 (p,)
        Where each of these begins, and the end of the last.
    columns : int
        Columns of the row buffer in use.
    capacity : int
        Columns of the row buffer.
    lag : int
        Rows that its final score waits for.
    lengths : int64 (m,)
        As in ``Fitted``, by output.
    scores, finals : float64 (m, split)
        Raw scores of the prefix by output; finals are NaN where rows to come decide.
    """

    block: Floats
    parts: Ints
    columns: int
    capacity: int
    lag: int
    lengths: Ints
    scores: Floats
    finals: Floats


def start_series(
    values: Floats, components: Sequence[Component], uses: Mapping[str, Use]
) -> Started:
    """Fit every component on the warm-up rows of a series and lay its state out.

    Parameters
    ----------
    values : float64 (split, C)
        Raw rows, NaN = missing.
    components : sequence of Component
    uses : mapping of str to Use
        By output.
    """
    prepared = prepare(values)
    fitted = [component.fit(prepared.prefix) for component in components]
    scores = np.concatenate([one.scores for one in fitted])
    lengths = np.concatenate([one.lengths for one in fitted])
    names = [name for component in components for name in component.outputs]
    own = [name in component.own_finals for component in components for name in component.outputs]
    lag = max(
        int(length) - 1 for name, length in zip(names, lengths, strict=True) if uses[name].final
    )
    given = np.concatenate([_finals(one) for one in fitted])
    finals = np.stack(
        [
            _known(given[j], int(lengths[j]))
            if own[j]
            else _means_ahead(scores[j], int(lengths[j]))
            for j in range(len(names))
        ]
    )
    fuse = _normalisers([uses[name] for name in names], own, lengths, scores, finals, lag)
    past, columns, capacity = _row_buffer(prepared)
    pieces = [prepared.scale.ravel(), past, fuse, *(one.block for one in fitted)]
    parts = np.cumsum([0, *(len(piece) for piece in pieces)])
    return Started(np.concatenate(pieces), parts, columns, capacity, lag, lengths, scores, finals)


def _finals(one: Fitted) -> Floats:
    """Finals of a component; NaN where it has none of its own."""
    return one.finals if one.finals.shape == one.scores.shape else np.full_like(one.scores, np.nan)


def _known(finals: Floats, length: int) -> Floats:
    """NaN where later rows decide."""
    known = finals.copy()
    known[len(finals) - length + 1 :] = np.nan
    return known


def _means_ahead(scores: Floats, length: int) -> Floats:
    """Mean of ``length`` scores from each row on; NaN where later rows decide."""
    total = np.concatenate(([0.0], np.cumsum(scores)))
    means = np.full(len(scores), np.nan)
    means[: len(scores) - length + 1] = (total[length:] - total[:-length]) / length
    return means


def _row_buffer(prepared: Prepared) -> tuple[Floats, int, int]:
    """Buffer of scaled rows with the end of the prefix in it, columns used, and its capacity."""
    z = prepared.prefix.z
    n_channels, split = z.shape
    kept = BLOCK + 2 * max(prepared.prefix.window, 64)
    capacity = kept + BLOCK
    columns = np.zeros((n_channels, capacity), np.float32)
    n = min(split, kept)
    columns[:, kept - n : kept] = z[:, split - n :]
    past = np.zeros((columns.size + 1) // 2)
    past.view(np.float32)[: columns.size] = columns.ravel()
    return past, kept, capacity


def _normalisers(
    uses: Sequence[Use],
    own: Sequence[bool],
    lengths: Ints,
    scores: Floats,
    finals: Floats,
    lag: int,
) -> Floats:
    """Block of :func:`streamad.kernels.fuse.fuse_pass` at the end of a prefix."""
    from streamad.kernels import fuse

    m, split = scores.shape
    n_top = int(np.ceil(0.01 * (split - 1))) + 2
    head = np.zeros((m, fuse.HEAD))
    arrays: list[Floats] = [np.zeros(lag + 1)]
    place = m * fuse.HEAD + lag + 1
    for j, use in enumerate(uses):
        length = int(lengths[j])
        causal, final = head[j, : fuse.N_NORMALISER], head[j, fuse.FINAL :][: fuse.N_NORMALISER]
        _settle(scores[j], causal)
        if use.plain:
            causal[fuse.TAIL] = final[fuse.TAIL] = fuse.PLAIN
        recent = np.zeros(length if use.final and not own[j] and length > 1 else 0)
        recent[np.arange(split - len(recent), split) % max(len(recent), 1)] = scores[
            j, split - len(recent) :
        ]
        top = np.full(n_top if use.final and not use.plain else 0, -np.inf)
        if len(top):
            fuse.collect_finals(finals[j, : split - length + 1], split, final, top)
        head[j, fuse.SUM] = recent.sum()
        head[j, [fuse.LENGTH, fuse.PLACE, fuse.N_TOP]] = length, place, len(top)
        arrays += [recent, top]
        place += len(recent) + len(top)
    return np.concatenate([head.ravel(), *arrays])


def _settle(scores: Floats, about: Floats) -> None:
    """Normaliser of scores that are all there."""
    from streamad.kernels import fuse

    mean, sd = scores.mean(), scores.std()
    reach = (np.quantile(scores, 0.99) - mean) / (fuse.TAIL_SD * sd + 1e-12)
    about[fuse.MEAN], about[fuse.VARIANCE] = mean, sd * sd
    about[fuse.COUNT], about[fuse.TAIL] = fuse.PREFIX_WEIGHT * len(scores), max(1.0, reach)


def prefix_scores(scores: Floats, finals: Floats, uses: Mapping[str, Use]) -> tuple[Floats, Floats]:
    """Fused scores of the prefix rows themselves, in-sample: for evaluation.

    Parameters
    ----------
    scores, finals : float64 (m, split)
        Raw scores by output; a NaN final becomes NaN.
    uses : mapping of str to Use
        By output, in the order of the rows.

    Returns
    -------
    causal, final : float64 (split,)
    """
    from streamad.kernels import fuse

    fused = []
    for raw, power, which in ((scores, 1.5, "causal"), (finals, 2.0, "final")):
        total, weight = np.zeros(raw.shape[1]), 0.0
        for use, row in zip(uses.values(), raw, strict=True):
            if not getattr(use, which):
                continue
            about = np.zeros(fuse.N_NORMALISER)
            _settle(row[~np.isnan(row)], about)
            if use.plain:
                about[fuse.TAIL] = fuse.PLAIN
            weight += use.weight
            z = np.empty(len(row))
            fuse.standardise(row, about, z)
            total += use.weight * z**power
        fused.append((total / weight) ** (1.0 / power))
    return fused[0], fused[1]
