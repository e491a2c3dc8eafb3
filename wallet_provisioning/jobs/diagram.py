"""Writes `docs/job-states.md` from the table of moves: `python -m wallet_provisioning.jobs.diagram`."""

import sys

from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.states import TABLE, JobStatus

_HEAD = """# The states of a job

Generated from `wallet_provisioning/jobs/states.py` and `errors.py` by `make docs`; a test compares.

```mermaid
stateDiagram-v2
    [*] --> queued
"""


def render() -> str:
    """Return the page: a diagram, the moves and the error table."""
    return f"{_diagram()}\n{_moves()}\n{_errors()}"


def _diagram() -> str:
    arrows = [
        f"    {source} --> {row.target}: {name}"
        for name, row in TABLE.items()
        for source in JobStatus
        if source in row.sources
    ]
    return _HEAD + "\n".join(arrows) + "\n    completed --> [*]\n```\n"


def _moves() -> str:
    rows = ["## Moves", "", "| move | from | to | audit action | audit status | attempt | when |"]
    rows.append("|---|---|---|---|---|---|---|")
    for name, row in TABLE.items():
        sources = ", ".join(source for source in JobStatus if source in row.sources)
        attempt = "used" if row.spends_attempt else "given back"
        rows.append(
            f"| `{name}` | {sources} | {row.target} | `{row.audit_action}` | {row.audit_status} "
            f"| {attempt} | {row.meaning} |"
        )
    return "\n".join(rows) + "\n"


def _errors() -> str:
    rows = ["## Errors", "", "| `error_type` | another attempt |", "|---|---|"]
    rows += [f"| `{error}` | {'yes' if error.is_retryable else 'no'} |" for error in ErrorType]
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
