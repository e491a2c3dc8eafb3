"""Where words go: data to stdout, everything that is said about it to stderr."""

import json
from collections.abc import Iterable, Mapping, Sequence

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDE = 200


def say(*lines: str) -> None:
    """Say something to the person at the terminal, on stderr."""
    for line in lines:
        click.echo(line, err=True)


def show_line(*lines: str) -> None:
    """Write lines of data to stdout."""
    for line in lines:
        click.echo(line)


def show_json(value: Mapping[str, object] | Sequence[object]) -> None:
    """Write an object of the API to stdout, for scripts."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def show_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a table to stdout. A pipe gets lines that are wide enough for an address."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console().print(table)


def console(*, stderr: bool = False) -> Console:
    """Return a console on stdout, or on stderr. Made anew each time, since streams may be replaced."""
    made = Console(stderr=stderr, highlight=False, markup=False, emoji=False)
    return (
        made
        if made.is_terminal
        else Console(stderr=stderr, highlight=False, markup=False, emoji=False, width=_WIDE)
    )
