"""Reports as people and scripts read them."""

import json
from collections.abc import Mapping
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from benchmarks.harness import Report

_SHOWN = 12


def as_json(report: Report) -> str:
    """Return a report for scripts."""
    return json.dumps(asdict(report), indent=2)


def show(report: Report, console: Console) -> None:
    """Print a report for people."""
    title = f"{report.name}: {report.rounds} rounds, ratios to {report.reference}"
    table = Table("what", "side", "median", "lowest - highest", "ratio", "target", title=title)
    for column in (2, 3, 4):
        table.columns[column].justify = "right"
    for before, row in zip((None, *report.rows), report.rows, strict=False):
        is_new = before is None or before.metric != row.metric
        span = f"{_short(row.lowest)} - {_short(row.highest)}"
        ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
        name = f"{row.metric} ({row.unit})" if is_new else ""
        table.add_row(name, row.side, _short(row.median), span, ratio, row.target)
    console.print(table)
    for line in (*report.notes, report.machine):
        console.print(line, highlight=False)


def _short(figure: float) -> str:
    return f"{figure:,.0f}" if abs(figure) >= 100 else f"{figure:.3g}"  # noqa: PLR2004 - three digits tell


def listed(figures: Mapping[str, float]) -> str:
    """Return the largest figures in one line."""
    ordered = sorted(figures.items(), key=lambda item: -item[1])[:_SHOWN]
    return ", ".join(f"{name} {figure:.3g}" for name, figure in ordered)
