"""Which names of the environment are ours, which are misspelt, and which Kubernetes put there.

For every Service of its namespace Kubernetes sets variables in each pod: a Service named `worker` or
`admin` brings `WORKER_PORT=tcp://10.0.0.1:80` and a few more, which nobody here has written.
Their forms: https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_LETTERS = 2
_CHECKED = ("WORKER_", "CIRCLE_")
_INJECTED = re.compile(
    r"(?P<service>(?:WORKER|ADMIN|REDIS)(?:_[A-Z0-9_]+?)??)_"
    r"(?:SERVICE_HOST|SERVICE_PORT(?:_[A-Z0-9_]+)?|PORT(?:_\d+_(?:TCP|UDP|SCTP)(?:_(?:PROTO|PORT|ADDR))?)?)"
)
_ADDRESS = re.compile(r"(?:tcp|udp|sctp)://")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """The environment, sorted: what is given for known names, and lines about the others."""

    given: dict[str, str]
    wrong: tuple[str, ...]
    warnings: tuple[str, ...]


def sort_names(environ: Mapping[str, str], known: tuple[str, ...]) -> Sorted:
    """Return what the environment gives for the known names; an empty text counts as unset."""
    stripped = {name: value.strip() for name, value in environ.items()}
    injected = sorted(name for name in stripped if _is_injected(name, stripped))
    left = {name: value for name, value in stripped.items() if value and name not in injected}
    wrong, warnings = _judge_unknown(sorted(left.keys() - set(known)), known)
    if injected:
        warnings.insert(0, f"ignored, since Kubernetes sets them for a Service: {', '.join(injected)}")
    given = {name: left[name] for name in known if name in left}
    return Sorted(given=given, wrong=tuple(wrong), warnings=tuple(warnings))


def _is_injected(name: str, environ: Mapping[str, str]) -> bool:
    """Whether Kubernetes made a variable: its name has the form, and its Service's port is an address."""
    form = _INJECTED.fullmatch(name)
    return form is not None and bool(
        _ADDRESS.match(environ[name]) or _ADDRESS.match(environ.get(f"{form['service']}_PORT", ""))
    )


def _judge_unknown(unknown: list[str], known: tuple[str, ...]) -> tuple[list[str], list[str]]:
    wrong, warnings = [], []
    for name in unknown:
        if not name.startswith(_CHECKED):
            continue
        meant = min(known, key=lambda candidate: distance(name, candidate))
        if distance(name, meant) <= _LETTERS:
            wrong.append(f"{name} is no setting; did you mean {meant}? Rename it or remove it")
        elif name.startswith("WORKER_"):
            warnings.append(f"{name} is no setting of this program and is ignored")
    return wrong, warnings


def distance(one: str, other: str) -> int:
    """Return how many letters to add, drop, change or swap with a neighbour make one text the other."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        before, last, row = row, before, [i]
        for j, wanted in enumerate(other, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != wanted))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == wanted:
                cost = min(cost, last[j - 2] + 1)
            row.append(cost)
    return row[-1]
