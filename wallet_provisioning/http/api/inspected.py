"""What stands in an actor, as the API's JSON objects: pure functions."""

from collections.abc import Sequence
from typing import Literal

from wallet_provisioning.http.api.shapes import ActorStateJson, ActorTraceJson, DeadLetterJson, TracedJson
from wallet_provisioning.http.api.views import milliseconds, time_text
from wallet_provisioning.supervision.deadletters import DeadLetter
from wallet_provisioning.supervision.inspection import Described
from wallet_provisioning.supervision.letters import Lane
from wallet_provisioning.supervision.tracing import TracedMessage

_LANES: dict[Lane, Literal["control", "news", "work"]] = {
    Lane.CONTROL: "control",
    Lane.NEWS: "news",
    Lane.WORK: "work",
}


def state_json(described: Described) -> ActorStateJson:
    """Return what an actor says of itself."""
    return {
        "path": described.path,
        "incarnation": described.incarnation,
        "is_stopping": described.is_stopping,
        "state": dict(described.values),
        "error": described.error,
    }


def trace_json(path: str, traced: Sequence[TracedMessage] | None) -> ActorTraceJson:
    """Return an actor's last messages; None means that they are not noted."""
    return {"path": path, "on": traced is not None, "items": [_traced_json(each) for each in traced or ()]}


def dead_letter_json(letter: DeadLetter) -> DeadLetterJson:
    """Return a lost message."""
    return {
        "at": time_text(letter.at),
        "path": letter.path,
        "message": letter.message,
        "shown": letter.shown,
        "why": letter.why,
        "sender": letter.sender,
        "trace_id": letter.trace_id,
    }


def _traced_json(traced: TracedMessage) -> TracedJson:
    return {
        "message": traced.message,
        "lane": _LANES[traced.lane],
        "incarnation": traced.incarnation,
        "waited_ms": milliseconds(traced.waited),
        "handled_ms": None if traced.handled_in is None else milliseconds(traced.handled_in),
    }
