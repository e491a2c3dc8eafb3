"""What the store is told of a wallet: how the work on it ended."""

from typing import NamedTuple
from uuid import UUID

from wallet_provisioning.jobs.outcomes import Failed, Live


class WalletResult(NamedTuple):
    """How the work on one wallet ended, for which job in whose hands, under which stored request.

    `fails_job_at` is the job's revision at which its end, in the same transaction, fails wallet and job.
    """

    job_id: UUID | None
    epoch: int | None
    user_id: UUID
    chain: str
    outcome: Live | Failed
    request_id: UUID | None
    fails_job_at: int | None = None
