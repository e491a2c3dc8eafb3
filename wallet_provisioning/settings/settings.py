"""The settings that the program runs with: what the environment says, and what follows from it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from wallet_provisioning.jobs.chains import Served, UnknownChainError
from wallet_provisioning.settings.circle import CIRCLE_ADDRESS, RealCircle, SandboxCircle
from wallet_provisioning.settings.errors import SettingsError
from wallet_provisioning.settings.names import sort_names
from wallet_provisioning.settings.otel import wrong_otel
from wallet_provisioning.settings.rules import CIRCLE_RULES, RULES, Case, Rule, broken_rules
from wallet_provisioning.settings.variables import NAMES, Variables, read_values
from wallet_provisioning.telemetry.events import Notice

_OWN_SANDBOX = (
    "CIRCLE_API_KEY and DATABASE_URL are unset: the built-in Circle sandbox starts, its wallets are made up"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreSettings(Variables):
    """The settings of a command that works on the store alone: no Circle needs to be configured."""

    served: Served
    notices: tuple[Notice, ...]

    @classmethod
    def load(cls, environ: Mapping[str, str]) -> Self:
        """Return what an environment means; raises `SettingsError` with a line for all that is wrong."""
        checked = _check(environ, RULES, sandbox=False)
        return cls(**checked.values, served=checked.served, notices=checked.notices)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Variables):
    """Everything that can be set, checked. It never changes, and its repr shows no secret.

    `notices` are lines for the operator: names that were ignored, and the sandbox that starts by itself.
    """

    circle: SandboxCircle | RealCircle
    served: Served
    notices: tuple[Notice, ...]

    @classmethod
    def load(cls, environ: Mapping[str, str], *, sandbox: bool) -> Self:
        """Return what an environment means; `sandbox` is the option `--sandbox`.

        Raises `SettingsError` with a line for everything that is wrong, all at once.
        """
        checked = _check(environ, [*RULES, *CIRCLE_RULES], sandbox=sandbox)
        circle = _choose_circle(checked.variables, sandbox=sandbox)
        own_sandbox = isinstance(circle, SandboxCircle) and not circle.asked_for
        notices = [*checked.notices, Notice(text=_OWN_SANDBOX)] if own_sandbox else checked.notices
        return cls(**checked.values, circle=circle, served=checked.served, notices=tuple(notices))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    """An environment in which nothing is wrong."""

    values: dict[str, Any]
    variables: Variables
    served: Served
    notices: tuple[Notice, ...]


def _check(environ: Mapping[str, str], rules: Iterable[Rule], *, sandbox: bool) -> _Checked:
    """Read the environment and hold it against all rules; raises `SettingsError`."""
    found = sort_names(environ, NAMES)
    values, wrong = read_values(found.given)
    variables = Variables(**values)
    broken = broken_rules(rules, Case(variables=variables, sandbox=sandbox), wrong=wrong.keys())
    served = _resolve_chains(variables)
    unserved = [served] if isinstance(served, str) else []
    lines = [*found.wrong, *wrong.values(), *wrong_otel(environ), *unserved, *broken]
    if lines or isinstance(served, str):
        raise SettingsError(lines)
    notices = tuple(Notice(text=line, level="warning") for line in found.warnings)
    return _Checked(values=values, variables=variables, served=served, notices=notices)


def _resolve_chains(variables: Variables) -> Served | str:
    """Return the chains, or a line that says what is wrong with them."""
    try:
        return Served(variables.chains, variables.environment)
    except UnknownChainError as error:
        return f"WORKER_CHAINS: {error}"


def _choose_circle(variables: Variables, *, sandbox: bool) -> SandboxCircle | RealCircle:
    """Return the Circle that checked settings mean."""
    if variables.circle_api_key is None or variables.circle_entity_secret is None:
        return SandboxCircle(asked_for=sandbox)
    return RealCircle(
        base_url=variables.circle_base_url or CIRCLE_ADDRESS,
        api_key=variables.circle_api_key,
        entity_secret=variables.circle_entity_secret,
        wallet_set_id=variables.circle_wallet_set_id,
    )
