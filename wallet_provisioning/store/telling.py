"""What the program says of an acceptance, whoever accepted it, once its transaction is committed."""

from wallet_provisioning.store.accepting import Accepted
from wallet_provisioning.store.transaction import Transaction
from wallet_provisioning.telemetry.events import JobAccepted


def tell_accepted(tx: Transaction, accepted: Accepted) -> None:
    """State `JobAccepted` after the commit."""
    job = accepted.job
    tx.tell_after_commit(
        JobAccepted(
            job_id=job.id,
            user_id=job.user_id,
            source=job.source,
            chains=job.chains,
            created=accepted.created,
            merged=accepted.merged,
        )
    )
