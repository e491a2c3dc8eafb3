"""Circle as this daemon reaches it: the real one, or the built-in sandbox in a child process."""

from pathlib import Path

from wallet_provisioning.actors.walletset import WalletSetOptions
from wallet_provisioning.clock import Clock
from wallet_provisioning.http.circle.account import Account
from wallet_provisioning.http.circle.budget import Budget, BudgetOptions, Kind
from wallet_provisioning.http.circle.client import CircleClient
from wallet_provisioning.http.sandbox.options import SandboxOptions
from wallet_provisioning.http.sandbox.process import SandboxAccess, SandboxProcess
from wallet_provisioning.settings import RealCircle, Settings
from wallet_provisioning.telemetry.events import Emit

_SET_NAME = "wallet-provisioning"
_STATE_FILE = "wallet-provisioning-sandbox.jsonl"


def sandbox_process(settings: Settings, clock: Clock, emit: Emit) -> SandboxProcess:
    """Return the built-in sandbox, which keeps its state in the working directory.

    It counts calls as Circle does, unless the settings allow more than Circle would.
    """
    options = SandboxOptions(
        port=0, state=Path.cwd() / _STATE_FILE, rate_limits=_is_within(_budget(settings), BudgetOptions())
    )
    return SandboxProcess(options, emit=emit, clock=clock)


def sandbox_account(access: SandboxAccess) -> Account:
    """Return the account that the built-in sandbox made up."""
    return Account(base_url=access.base_url, api_key=access.api_key, entity_secret=access.entity_secret)


def real_account(circle: RealCircle) -> Account:
    """Return the account that the settings describe; raises `AccountError`."""
    return Account(
        base_url=circle.base_url,
        api_key=circle.api_key.get_secret_value(),
        entity_secret=circle.entity_secret.get_secret_value(),
    )


def circle_client(account: Account, settings: Settings, clock: Clock, emit: Emit) -> CircleClient:
    """Return the client for an account, within the budget that the settings allow."""
    return CircleClient(account, clock=clock, budget=Budget(_budget(settings), clock=clock), emit=emit)


def wallet_set_options(settings: Settings) -> WalletSetOptions:
    """Return which wallet set is used, and how it is made where none is named."""
    return WalletSetOptions(
        environment=settings.environment.value, name=_SET_NAME, named=settings.circle_wallet_set_id
    )


def _budget(settings: Settings) -> BudgetOptions:
    return BudgetOptions(
        wallets=settings.circle_wallet_rate,
        posts=settings.circle_post_rate,
        gets=settings.circle_get_rate,
    )


def _is_within(budget: BudgetOptions, limits: BudgetOptions) -> bool:
    return all(budget.limit(kind) <= limits.limit(kind) for kind in Kind)
