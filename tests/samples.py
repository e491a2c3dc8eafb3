"""A wallet, a job and an actor as the store and the tree show them."""

from datetime import UTC, datetime
from uuid import UUID

from wallet_provisioning.jobs.states import JobStatus, WalletStatus
from wallet_provisioning.store.views import JobView, WalletView
from wallet_provisioning.supervision.snapshot import ActorView, ChildKind, ChildState

NOW = datetime(2026, 1, 31, 12, 0, 0, 5, tzinfo=UTC)
ID = UUID(int=1)
USER = UUID(int=2)

WALLET = WalletView(
    id=ID,
    user_id=USER,
    chain="ETH",
    blockchain=None,
    status=WalletStatus.CREATING,
    address=None,
    circle_wallet_id=None,
    wallet_set_id=None,
    account_type=None,
    error_type=None,
    error_message=None,
    created_at=NOW,
    updated_at=NOW,
)

JOB = JobView(
    id=ID,
    user_id=USER,
    status=JobStatus.QUEUED,
    chains=("ETH",),
    wallets=(WALLET,),
    attempt_count=0,
    max_attempts=5,
    crash_count=0,
    error_type=None,
    error_message=None,
    next_retry_at=None,
    source="http",
    trace_id=None,
    created_at=NOW,
    started_at=None,
    completed_at=None,
    updated_at=NOW,
)


def an_actor(path: str, kind: ChildKind = ChildKind.WORKER, class_name: str = "SomeActor") -> ActorView:
    """Return an actor that runs and has nothing to do."""
    return ActorView(
        path=path,
        kind=kind,
        class_name=class_name,
        state=ChildState.RUNNING,
        incarnation=1,
        restarts=0,
        zombies=0,
        mailbox_depth=0,
        oldest_message_age=None,
        working_on=None,
        last_crash=None,
    )
