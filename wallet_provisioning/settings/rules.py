"""The rules between settings that are each right alone.

A rule looks at some variables; while one of those is wrong by itself the rule is left out, so that one
mistake makes one line. The rules on Circle exist because no fake wallet may ever reach a real customer,
and no real one may be made by accident: the sandbox starts by itself only where nothing points to a
real installation, else someone has to ask for it.
"""

from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from urllib.parse import urlsplit

from wallet_provisioning.durations import format_duration
from wallet_provisioning.settings.network import is_loopback
from wallet_provisioning.settings.variables import Variables


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What the rules judge: the variables, and whether `--sandbox` is given."""

    variables: Variables
    sandbox: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule: the variables that it looks at, and how it finds that it is broken."""

    names: frozenset[str]
    find: Callable[[Case], str | None]


def broken_rules(rules: Iterable[Rule], case: Case, *, wrong: AbstractSet[str]) -> list[str]:
    """Return a line for each broken rule, saying what to change; `wrong` names variables to leave alone."""
    found = [rule.find(case) for rule in rules if not rule.names & wrong]
    return [line for line in found if line is not None]


def _cap_is_below_base(case: Case) -> str | None:
    if case.variables.max_backoff >= case.variables.base_backoff:
        return None
    base, most = format_duration(case.variables.base_backoff), format_duration(case.variables.max_backoff)
    return (
        f"WORKER_MAX_BACKOFF ({most}) must not be shorter than WORKER_BASE_BACKOFF ({base}): "
        "raise the first or lower the second"
    )


def _strangers_get_in(case: Case) -> str | None:
    has_token = case.variables.admin_token is not None or case.variables.admin_read_token is not None
    if has_token or is_loopback(case.variables.admin_host):
        return None
    return (
        f"ADMIN_HOST ({case.variables.admin_host}) can be reached from other machines: "
        "set ADMIN_TOKEN or ADMIN_READ_TOKEN, or bind 127.0.0.1"
    )


def _readers_may_do_everything(case: Case) -> str | None:
    if case.variables.admin_token is None or case.variables.admin_token != case.variables.admin_read_token:
        return None
    return "ADMIN_READ_TOKEN must differ from ADMIN_TOKEN, or readers may do everything"


def _two_circles(case: Case) -> str | None:
    if case.variables.circle_api_key is None or not case.sandbox:
        return None
    return "--sandbox is given while CIRCLE_API_KEY is set: leave out one of them"


def _key_without_secret(case: Case) -> str | None:
    if (
        case.variables.circle_api_key is None
        or case.variables.circle_entity_secret is not None
        or case.sandbox
    ):
        return None
    return "CIRCLE_ENTITY_SECRET is unset, but CIRCLE_API_KEY needs it: set both"


def _account_without_key(case: Case) -> str | None:
    given = {
        "CIRCLE_ENTITY_SECRET": case.variables.circle_entity_secret,
        "CIRCLE_BASE_URL": case.variables.circle_base_url,
        "CIRCLE_WALLET_SET_ID": case.variables.circle_wallet_set_id,
    }
    names = [name for name, value in given.items() if value is not None]
    if case.variables.circle_api_key is not None or case.sandbox or not names:
        return None
    return f"CIRCLE_API_KEY is unset, but belongs to {', '.join(names)}: set it, or unset the rest"


def _database_without_key(case: Case) -> str | None:
    if case.variables.circle_api_key is not None or case.sandbox or case.variables.given_database_url is None:
        return None
    return (
        "CIRCLE_API_KEY is unset while DATABASE_URL is set: set the key, "
        "or give --sandbox if this database is for made-up wallets"
    )


def _live_key_in_the_clear(case: Case) -> str | None:
    address = urlsplit(case.variables.circle_base_url or "")
    if (
        not case.variables.environment.is_live
        or address.scheme != "http"
        or is_loopback(address.hostname or "")
    ):
        return None
    return "CIRCLE_BASE_URL must be https, since CIRCLE_API_KEY is a LIVE key"


def _listening_elsewhere(case: Case) -> str | None:
    variables = case.variables
    if variables.given_listen_url is None or variables.database_url.startswith("postgres"):
        return None
    return "DATABASE_LISTEN_URL is set, but DATABASE_URL is not on PostgreSQL: unset one or change the other"


def _unsealed_retention(case: Case) -> str | None:
    if not case.variables.retention_audit or case.variables.audit_signing_key is not None:
        return None
    return (
        "WORKER_RETENTION_AUDIT deletes sealed rows alone, but AUDIT_SIGNING_KEY is unset: "
        "set the key, or set the retention to 0s"
    )


RULES = (
    Rule(names=frozenset({"WORKER_BASE_BACKOFF", "WORKER_MAX_BACKOFF"}), find=_cap_is_below_base),
    Rule(names=frozenset({"ADMIN_HOST", "ADMIN_TOKEN", "ADMIN_READ_TOKEN"}), find=_strangers_get_in),
    Rule(names=frozenset({"ADMIN_TOKEN", "ADMIN_READ_TOKEN"}), find=_readers_may_do_everything),
    Rule(names=frozenset({"DATABASE_URL", "DATABASE_LISTEN_URL"}), find=_listening_elsewhere),
    Rule(names=frozenset({"WORKER_RETENTION_AUDIT", "AUDIT_SIGNING_KEY"}), find=_unsealed_retention),
)

CIRCLE_RULES = (
    Rule(names=frozenset({"CIRCLE_API_KEY"}), find=_two_circles),
    Rule(names=frozenset({"CIRCLE_API_KEY", "CIRCLE_ENTITY_SECRET"}), find=_key_without_secret),
    Rule(names=frozenset({"CIRCLE_API_KEY"}), find=_account_without_key),
    Rule(names=frozenset({"CIRCLE_API_KEY", "DATABASE_URL"}), find=_database_without_key),
    Rule(names=frozenset({"CIRCLE_API_KEY", "CIRCLE_BASE_URL"}), find=_live_key_in_the_clear),
)
