"""The tree of actors as the terminal shows it: pure, from the API's ACTOR objects."""

from collections.abc import Iterable, Mapping
from typing import Any

from rich.text import Text
from rich.tree import Tree

_STYLES = {
    "running": "green",
    "stopped": "red",
    "starting": "yellow",
    "stopping": "yellow",
    "restarting": "red",
}
_ROOT = "/"


def actor_tree(actors: Iterable[Mapping[str, Any]]) -> Tree:
    """Return a tree of actors that are listed parents before children."""
    found = list(actors)
    branches: dict[str, Tree] = {}
    for actor in found:
        path = str(actor["path"])
        parent = branches.get(_parent_of(path))
        line = describe(actor)
        branches[path] = Tree(line) if parent is None else parent.add(line)
    return branches.get(_ROOT, Tree(Text("no actors")))


def describe(actor: Mapping[str, Any]) -> Text:
    """Return an actor in one line; what is well is not mentioned."""
    name = str(actor["path"]).rpartition("/")[2] or _ROOT
    state = str(actor["state"])
    line = Text.assemble((name, "bold"), " ", (str(actor["class"]), "dim"), " ")
    line.append(state, _STYLES.get(state, ""))
    for word, style in _remarks(actor):
        line.append("  ")
        line.append(word, style)
    return line


def _remarks(actor: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    if actor["suspended"]:
        yield "suspended", "yellow"
    if actor["restarts"]:
        yield f"incarnation {actor['incarnation']}", "yellow"
    if actor["mailbox"]["depth"]:
        yield f"{actor['mailbox']['depth']} waiting for {_seconds(actor['mailbox']['oldest_age_ms'])}", ""
    if (work := actor["working_on"]) is not None:
        yield f"{work['message']} for {_seconds(work['for_ms'])}", "cyan"
    if actor["zombies"]:
        yield f"{actor['zombies']} hung", "red"
    if actor["dead_letters"]:
        yield f"{actor['dead_letters']} dead letters", "yellow"
    if (crash := actor["last_crash"]) is not None:
        over = f" over {crash['message']}" if crash["message"] else ""
        yield f"last {crash['reason']}{over} at {str(crash['at'])[11:19]}: {crash['error']}", "red"


def _seconds(milliseconds: float | None) -> str:
    return f"{(milliseconds or 0) / 1000:.1f} s"


def _parent_of(path: str) -> str:
    return "" if path == _ROOT else path.rpartition("/")[0] or _ROOT
