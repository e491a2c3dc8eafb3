"""How loud each event is. ERROR is what somebody must look at: those lines are the alerts."""

import logging
from collections.abc import Callable
from typing import Any, TypeAlias

from wallet_provisioning.jobs.states import MoveName
from wallet_provisioning.telemetry import events
from wallet_provisioning.telemetry.events import Event

Level: TypeAlias = int

NAMES: dict[Level, str] = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warning",
    logging.ERROR: "error",
    logging.CRITICAL: "critical",
}
VALUES: dict[str, Level] = {name: level for level, name in NAMES.items()}

_MOVES: dict[str, Level] = {
    MoveName.CLAIM: logging.DEBUG,
    MoveName.FAIL: logging.ERROR,
    MoveName.SCHEDULE_RETRY: logging.WARNING,
    MoveName.WAIT_FOR_CIRCUIT: logging.WARNING,
    MoveName.RETURN_AFTER_CRASH: logging.WARNING,
    MoveName.RESCUE: logging.WARNING,
}


_Choose: TypeAlias = Callable[[Any], Level]


def level_of(event: Event) -> Level:
    """Return how loud an event is, of a group the loudest; INFO for what the table doesn't name."""
    level = _LEVELS.get(type(event), logging.INFO)
    return level if isinstance(level, int) else level(event)


def _of_move(event: events.JobMoved | events.JobsMoved) -> Level:
    return _MOVES.get(event.move, logging.INFO)


def _of_wallet(event: events.WalletCreated) -> Level:
    """Its audit row and its job's line tell of an ordinary one; three lines a job are dear."""
    return logging.INFO if event.adopted else logging.DEBUG


def _of_wallets(event: events.WalletsCreated) -> Level:
    return logging.INFO if any(wallet.adopted for wallet in event.wallets) else logging.DEBUG


def _of_transaction(event: events.TransactionEnded) -> Level:
    return logging.INFO if event.outcome == "rolled_back" else logging.DEBUG


def _of_call(event: events.CircleCalled) -> Level:
    return logging.DEBUG if event.outcome == "success" else logging.WARNING


def _of_breaker(event: events.BreakerChanged) -> Level:
    return logging.WARNING if event.after == "open" else logging.INFO


def _of_start(event: events.ActorStarted) -> Level:
    return logging.DEBUG if event.incarnation == 1 else logging.INFO


def _of_end(event: events.ActorEnded) -> Level:
    return logging.DEBUG if event.reason == "stop" else logging.ERROR


def _of_message(event: events.MessageTaken) -> Level:
    return logging.WARNING if event.outcome in {"rejected", "postponed"} else logging.DEBUG


def _of_reconcile(event: events.Reconciled) -> Level:
    return logging.WARNING if event.found else logging.INFO


def _of_notice(event: events.Notice) -> Level:
    return VALUES.get(event.level, logging.INFO)


_LEVELS: dict[type[Event], Level | _Choose] = {
    events.JobMoved: _of_move,
    events.JobsMoved: _of_move,
    events.WalletCreated: _of_wallet,
    events.WalletsCreated: _of_wallets,
    events.DuplicateWallet: logging.ERROR,
    events.StaleRefused: logging.WARNING,
    events.JobsClaimed: logging.DEBUG,
    events.TransactionEnded: _of_transaction,
    events.CircleCalled: _of_call,
    events.CircleRetried: logging.DEBUG,
    events.BudgetSlowed: logging.WARNING,
    events.BudgetSplit: logging.WARNING,
    events.BreakerChanged: _of_breaker,
    events.OrdersChanged: logging.WARNING,
    events.CallersRefused: logging.WARNING,
    events.ActorStarted: _of_start,
    events.ActorEnded: _of_end,
    events.DeadLetter: logging.WARNING,
    events.MessageTaken: _of_message,
    events.DependencyLost: logging.WARNING,
    events.Reconciled: _of_reconcile,
    events.Notice: _of_notice,
}
