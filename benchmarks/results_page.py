"""The page of accuracy results, in Markdown.

python benchmarks/results_page.py accuracy.json [accuracy_nab.json] > docs/results.md
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import reference_values
import summary
from judge import BASELINES
from tables import best_published

LEAD = "fusion"
TIE = 0.0005
WORDS = {"norm": "the window norm", "random": "random scores"}

HOW = """\
Every detector runs in **one configuration on every series**, without labels: a row is scored, then
learned. `causal` is the score that exists when the row arrives; `final` is the same detector's
score some rows later (its lag), from the windows that cover the row. Metrics are taken over **all
rows** of a series, warm-up included. `fusion` (`fusion fast` and `fusion small` are its presets)
takes the training prefix of the benchmark as its warm-up, unlabelled and with the anomalies that it
may hold, and the rows of the prefix count with their scores against what was fitted on them; in
live use they have no score. A row that a detector did not judge otherwise counts with its lowest
score on that series. The buffer of VUS is the period of the whole first channel, missing values
held, by the rule of the TSB-AD benchmark. Best F1 takes its threshold from the labels: an upper
bound (oracle), not what an alert would reach. Series without a labelled anomaly have no value and
are left out.

* **chance** is the mean VUS-PR of three random scores. Compare with it, not with 0: where anomalies
  fill a series every score looks good.
* **norm** is the window norm: the Euclidean norm of the last 96 rows, each channel scaled by the
  median and median absolute deviation of the training prefix. No model, no labels.
* **random** is one more random score, treated as a detector.
"""


NAB_HOW = """\
Ten NAB files, causal scores only: the first 15 % of the rows are for warming up and for ranges,
then every row is scored before it is learned; VUS-PR on the last 85 %. "10 lags": the last ten
values as a row. Library defaults, one seed.
"""


def page(document: dict[str, Any], nab: dict[str, Any] | None = None) -> str:
    """Markdown of the results of ``accuracy.py``, and of ``accuracy_nab.py`` if given."""
    results, environment = document["series"], document["environment"]
    parts = [
        "# Results",
        "This page is made by `benchmarks/results_page.py` from the output of "
        "`benchmarks/accuracy.py`; do not edit it.",
        "## How it is measured",
        HOW.rstrip(),
        _scope(results, environment),
        "## Overall",
        _overall(document["overall"]),
        *_datasets(results),
        *_reference(results, environment["published"]),
        f"## Where {LEAD} loses",
        _losses(results, environment["published"]),
        *(["## Beside streaming detectors of other packages", _nab(nab)] if nab else []),
        "## Beside published results",
        _boards(results, environment["published"]),
        "## Cost",
        _cost(document["overall"], environment.get("jobs", 1)),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _scope(results: list[dict[str, Any]], environment: dict[str, Any]) -> str:
    names = {(r["dataset"], r["name"]) for r in results}
    kept = {(r["dataset"], r["name"]) for r in summary.rated(results)}
    every = summary.ordered(r["detector"] for r in results)
    partial = [
        f"`{detector}` on {n} of them"
        for detector in every
        if (n := len({(r["dataset"], r["name"]) for r in results if r["detector"] == detector}))
        < len(names)
    ]
    versions = ", ".join(
        f"{package} {environment[package]}"
        for package in ("streamad-engine", "python", "numpy", "numba", "torch")
        if package in environment
    )
    lines = [
        f"{len(names)} of the {environment['series_in_manifest']} series of the folder "
        f"`{environment['data']}` were run, {len(kept)} of them have labelled anomalies; the "
        f"longest has {max((r['rows'] for r in results), default=0):,} rows."
    ]
    if partial:
        lines.append(f"Not every detector ran on all: {', '.join(partial)}.")
    lines += [f"{_failed(failure)}" for failure in environment.get("failures", [])]
    lines.append(f"{versions}; {environment['system']} {environment['machine']}.")
    return " ".join(lines)


def _failed(failure: dict[str, Any]) -> str:
    return f"`{failure['detector']}` failed on {failure['name']} ({failure['error']})."


def _overall(lines: list[dict[str, Any]]) -> str:
    parts: list[str] = []
    present = {one["scope"] for one in lines}
    for scope in [one for one in summary.SCOPES if one in present]:
        if scope == "all" and len(present) == 2:
            continue
        for kind, title in (("files", "mean over files"), ("datasets", "mean of data set means")):
            chosen = [one for one in lines if (one["scope"], one["mean"]) == (scope, kind)]
            best = sorted(chosen, key=lambda one: -one["vus_pr"])
            rows = [
                [
                    one["detector"],
                    one["output"],
                    str(one["series"]),
                    *(text(one[metric]) for metric in summary.METRICS),
                    text(one["random_vus_pr"]),
                    text(one["positive_share"]),
                    text(one["judged_share"]),
                ]
                for one in best
            ]
            head = ["detector", "score", "series", "VUS-PR", "VUS-ROC", "AUC-PR", "best F1"]
            head += ["chance", "positive", "judged"]
            parts.append(f"### {scope.capitalize()} series, {title}\n\n" + table(head, rows, 2))
    return "\n\n".join(parts)


def _datasets(results: list[dict[str, Any]]) -> list[str]:
    parts: list[str] = []
    for output in ("final", "causal"):
        rows: list[list[str]] = []
        found = summary.by_dataset(results, output)
        detectors = summary.ordered(name for row in found.values() for name in row)
        for dataset, row in found.items():
            files = [r for r in summary.rated(results) if r["dataset"] == dataset]
            best = max((value for value in row.values() if value is not None), default=None)
            rows.append(
                [
                    dataset,
                    str(len({r["name"] for r in files})),
                    str(max(r["dims"] for r in files)),
                    text(summary.mean(files, "positive_share")),
                    text(summary.mean(files, "random_vus_pr")),
                    *(_marked(row.get(name), best) for name in detectors),
                ]
            )
        head = ["data set", "files", "channels", "positive", "chance", *detectors]
        parts.append(f"## By data set: VUS-PR, {output}\n\n" + table(head, rows, 1))
    return parts


def _reference(results: list[dict[str, Any]], published: dict[str, Any]) -> list[str]:
    """Each preset of the lead beside the numbers of the reference implementation."""
    reference = reference_values.read()
    parts: list[str] = []
    for preset, label in reference_values.PRESETS.items():
        lines = reference_values.compared(results, preset, reference)
        if not lines:
            continue
        rows = [
            [
                line.title,
                f"{line.files} of {line.expected}",
                best_published(published, line.dataset),
                text(line.chance),
                *_pair(line.pairs.get("final")),
                *_pair(line.pairs.get("causal")),
            ]
            for line in lines
        ]
        head = ["data set", "files", "best published", "chance", "final", "reference", "difference"]
        head += ["causal", "reference", "difference"]
        parts.append(f"### {label}\n\n" + table(head, rows, 3))
    if not parts:
        return []
    note = (
        f"Reference: {reference['provenance']}. A difference is **bold** where ours is lower by "
        f"more than {reference['tolerance']:.2f} ({reference['tolerance_one_file']:.2f} for a data "
        "set of one file). Published values are those of the section below."
    )
    return ["## Beside the reference implementation", note, *parts]


def _pair(pair: reference_values.Pair | None) -> list[str]:
    if pair is None:
        return ["–", "–", "–"]
    difference = f"{pair.difference:+.3f}"
    shown = f"**{difference}**" if pair.below else difference
    return [text(pair.ours), text(pair.reference), shown]


def _nab(nab: dict[str, Any]) -> str:
    """What ran here and what was published, best first."""
    rows = [
        [one["detector"], one["origin"], text(one["ten_files"]), text(one["eight_files"])]
        for one in nab["ranking"]
    ]
    head = ["detector", "from", "ten files", "the eight shorter ones"]
    return f"{NAB_HOW}\n{table(head, rows, 2)}"


def _losses(results: list[dict[str, Any]], published: dict[str, Any]) -> str:
    """Every rival that is as good as or better than the lead, by output and data set."""
    lines: list[str] = []
    for output in ("final", "causal"):
        chosen = [r for r in summary.rated(results) if r["output"] == output]
        groups = {
            f"all {scope} series": [r for r in chosen if summary.in_scope(r, scope)]
            for scope in summary.SCOPES[1:]
        }
        for dataset in summary.ordered(r["dataset"] for r in chosen):
            groups[dataset] = [r for r in chosen if r["dataset"] == dataset]
        for title, group in groups.items():
            rivals = paired(group)
            worse = [
                f"{WORDS.get(name, f'`{name}`')} ({their:.3f} against {mine:.3f})"
                for name, (their, mine) in rivals.items()
                if their >= mine - TIE
            ]
            if worse:
                lines.append(f"* {title}, {output}: not better than {', '.join(worse)}.")
            elif rivals:
                beaten = ", ".join(WORDS.get(name, f"`{name}`") for name in rivals)
                lines.append(f"* {title}, {output}: better than all of {beaten}.")
    finals = summary.by_dataset(results, "final")
    for dataset, found in published.items():
        mine = finals.get(dataset, {}).get(LEAD)
        above = [
            name for name, value in found["vus_pr"].items() if mine is not None and value > mine
        ]
        if above:
            lines.append(
                f"* {dataset}, final, beside published values ({found['source']}): "
                f"{len(above)} of {len(found['vus_pr'])} are above its {mine:.3f}."
            )
    note = (
        "Each comparison is over the files that both ran on; a difference under "
        f"{TIE:.4f} counts as not better."
    )
    return "\n".join([note, "", *lines]) if lines else f"`{LEAD}` was not run."


def paired(results: list[summary.Result]) -> dict[str, tuple[float, float]]:
    """Mean VUS-PR of each rival and of the lead over the files that both ran on; one output."""
    values: dict[str, dict[tuple[str, str], float]] = {}
    for r in results:
        values.setdefault(r["detector"], {})[r["dataset"], r["name"]] = r["vus_pr"]
    lead = values.pop(LEAD, {})
    found: dict[str, tuple[float, float]] = {}
    for name, theirs in values.items():
        shared = lead.keys() & theirs.keys()
        if shared:
            n = len(shared)
            found[name] = (sum(theirs[s] for s in shared) / n, sum(lead[s] for s in shared) / n)
    return found


def _boards(results: list[dict[str, Any]], published: dict[str, Any]) -> str:
    """The published ranking of each data set with ours inserted."""
    finals, causals = (summary.by_dataset(results, form) for form in ("final", "causal"))
    parts = [
        "Published values are those of other authors on the benchmark's own selection of files, "
        "with training where a method has any, tuned on the benchmark's tuning set, and mostly "
        "with look-ahead over the whole series. Ours are on the files of this folder. Where the "
        "selections differ the rank is a hint, no more."
    ]
    for dataset, found in published.items():
        if dataset not in finals:
            continue
        ours = {
            f"**{name} ({form})**": value
            for form, values in (("final", finals), ("causal", causals))
            for name, value in values.get(dataset, {}).items()
            if value is not None and name not in BASELINES
        }
        n_files = len({r["name"] for r in summary.rated(results) if r["dataset"] == dataset})
        board = summary.ranking(found["vus_pr"], ours)
        rows = [[str(rank), name, text(value)] for rank, name, value, _ in board]
        title = f"{dataset}: published on the {found['source']}; ours on {n_files} files run here"
        ranked = table(["rank", "algorithm", "VUS-PR"], rows, 2)
        parts.append(f"<details><summary>{title}</summary>\n\n{ranked}\n\n</details>")
    return "\n\n".join(parts) if len(parts) > 1 else "The data carry no published values."


def _cost(lines: list[dict[str, Any]], jobs: int) -> str:
    """Rows per second by detector, metrics not counted."""
    rows = [
        [one["detector"], scope, f"{one['rows_per_s']:,.0f}", f"{1e6 / one['rows_per_s']:.1f}"]
        for scope in summary.SCOPES[1:]
        for one in lines
        if (one["scope"], one["mean"], one["output"]) == (scope, "files", "final")
        and one["detector"] not in BASELINES
        and one["rows_per_s"]
    ]
    head = ["detector", "series", "rows/s", "us per row"]
    note = f"Of one process, {jobs} at a time on the machine; metrics not counted."
    return f"{note}\n\n{table(head, rows, 2)}"


def table(head: list[str], rows: list[list[str]], n_words: int) -> str:
    """A Markdown table; columns after the first few are right-aligned."""
    marks = ["---" if i < n_words else "---:" for i in range(len(head))]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in (head, marks, *rows))


def text(value: float | None) -> str:
    """Three decimals, or a dash."""
    return "–" if value is None else f"{value:.3f}"


def _marked(value: float | None, best: float | None) -> str:
    bold = value is not None and best is not None and value >= best - TIE
    return f"**{text(value)}**" if bold else text(value)


def main() -> int:
    if len(sys.argv) not in (2, 3):
        print("usage: results_page.py ACCURACY.json [NAB.json] > docs/results.md", file=sys.stderr)
        return 2
    print(page(*(json.loads(Path(path).read_text("utf-8")) for path in sys.argv[1:])), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
