"""Circle as this daemon reaches it: the real one, or the built-in sandbox in a child process."""

from pathlib import Path

from wallet_provisioning.actors.walletset import WalletSetOptions
from wallet_provisioning.clock import Clock
from wallet_provisioning.daemon.budget import budget_options, is_within
from wallet_provisioning.http.circle.account import Account, Timeouts
from wallet_provisioning.http.circle.budget import Budget, BudgetOptions
from wallet_provisioning.http.circle.client import CircleClient
from wallet_provisioning.http.sandbox.options import SandboxOptions
from wallet_provisioning.http.sandbox.process import SandboxAccess, SandboxProcess
from wallet_provisioning.settings import RealCircle, Settings
from wallet_provisioning.telemetry.events import Emit

SET_NAME = "wallet-provisioning"
_STATE_FILE = "wallet-provisioning-sandbox.jsonl"


def sandbox_process(settings: Settings, clock: Clock, emit: Emit) -> SandboxProcess:
    """Return the built-in sandbox, which keeps its state in the working directory.

    It counts calls as Circle does, unless the settings allow more than Circle would.
    """
    options = SandboxOptions(
        port=0,
        state=Path.cwd() / _STATE_FILE,
        rate_limits=is_within(budget_options(settings), BudgetOptions()),
    )
    return SandboxProcess(options, emit=emit, clock=clock)


def sandbox_account(access: SandboxAccess, settings: Settings) -> Account:
    """Return the account that the built-in sandbox made up."""
    return Account(
        base_url=access.base_url,
        api_key=access.api_key,
        entity_secret=access.entity_secret,
        timeouts=_timeouts(settings),
    )


def real_account(circle: RealCircle, settings: Settings) -> Account:
    """Return the account that the settings describe; raises `AccountError`."""
    return Account(
        base_url=circle.base_url,
        api_key=circle.api_key.get_secret_value(),
        entity_secret=circle.entity_secret.get_secret_value(),
        timeouts=_timeouts(settings),
    )


def circle_client(account: Account, budget: Budget, clock: Clock, emit: Emit) -> CircleClient:
    """Return the client for an account, within its budget."""
    return CircleClient(account, clock=clock, budget=budget, emit=emit)


def wallet_set_options(settings: Settings) -> WalletSetOptions:
    """Return which wallet set is used, and how it is made where none is named."""
    return WalletSetOptions(
        environment=settings.environment.value,
        name=SET_NAME,
        named=settings.circle_wallet_set_id,
        may_be_made=not settings.environment.is_live,
    )


def _timeouts(settings: Settings) -> Timeouts:
    """Return the default ones; half of the time for an attempt may be spent in waiting for a turn."""
    return Timeouts(turn=settings.job_timeout / 2)
