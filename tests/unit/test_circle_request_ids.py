"""The id of the call that decided goes with its outcome into the move that ends an attempt."""

from datetime import timedelta
from random import Random
from uuid import uuid4

import pytest

from wallet_provisioning.actors.calls import failure_of
from wallet_provisioning.http.circle.answers import CallFailed, Certainty
from wallet_provisioning.jobs.backoff import Backoff
from wallet_provisioning.jobs.errors import ErrorType
from wallet_provisioning.jobs.moves import ClaimedJob
from wallet_provisioning.jobs.outcomes import conclude

JOB = ClaimedJob(
    id=uuid4(),
    user_id=uuid4(),
    chains=("ETH",),
    epoch=1,
    revision=0,
    attempt=1,
    max_attempts=5,
    crash_count=0,
    earlier_failure=None,
    traceparent=None,
)
BACKOFF = Backoff(jitter=0.0)


@pytest.mark.parametrize(
    ("error_type", "is_configuration", "is_probe"),
    [
        (ErrorType.CIRCLE_5XX, False, False),
        (ErrorType.CIRCLE_5XX, False, True),
        (ErrorType.CIRCLE_4XX, False, False),
        (ErrorType.CIRCLE_4XX, True, False),
        (ErrorType.NETWORK, False, False),
    ],
)
def test_the_move_knows_the_call(error_type: ErrorType, *, is_configuration: bool, is_probe: bool) -> None:
    failed = CallFailed(
        error_type=error_type,
        message="no",
        certainty=Certainty.AMBIGUOUS,
        is_configuration=is_configuration,
        circle_request_id="circle-7",
    )
    outcome = failure_of(failed, timedelta(seconds=5), is_probe=is_probe)
    move = conclude(JOB, {"ETH": outcome}, BACKOFF, Random(1))
    assert move.failure is not None
    assert move.failure.circle_request_id == "circle-7"
