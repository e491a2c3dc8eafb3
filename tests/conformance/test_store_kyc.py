from uuid import UUID, uuid4

import pytest

from tests.support_store import CHAINS, claim, finish
from wallet_provisioning.jobs.kyc import KycStatus
from wallet_provisioning.jobs.states import JobStatus
from wallet_provisioning.store import kyc, reports
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import ConflictError, NotFoundError


def tell(
    database: Database,
    status: KycStatus = KycStatus.APPROVED,
    *,
    user_id: UUID | None = None,
    provider_ref: str = "ref-1",
    registers_unknown: bool = True,
    reasons: tuple[str, ...] = (),
) -> kyc.KycAnswer:
    callback = kyc.KycCallback(
        provider_ref=provider_ref,
        status=status,
        user_id=user_id,
        rejection_reasons=reasons,
        chains=CHAINS,
        max_attempts=4,
        traceparent=None,
        registers_unknown=registers_unknown,
    )
    with database.write("http", "kyc") as tx:
        return kyc.accept_callback(tx, callback)


def kyc_actions(database: Database) -> list[str]:
    with database.read() as connection:
        page = reports.list_audit(connection, reports.AuditFilter(action_prefix="kyc:"))
    return [row.action for row in page.items[::-1]]


def test_an_approval_makes_a_job(database: Database) -> None:
    user = uuid4()

    answer = tell(database, user_id=user)

    assert (answer.provider_ref, answer.user_id, answer.status) == ("ref-1", user, KycStatus.APPROVED)
    assert answer.job is not None
    assert answer.accepted is not None
    assert answer.accepted.created
    assert (answer.job.source, answer.job.max_attempts, answer.job.chains) == ("kyc", 4, CHAINS)


@pytest.mark.parametrize("status", [status for status in KycStatus if status is not KycStatus.APPROVED])
def test_nothing_but_an_approval_makes_a_job(database: Database, status: KycStatus) -> None:
    answer = tell(database, status)

    assert (answer.status, answer.job, answer.accepted) == (status, None, None)
    assert claim(database) == ()


def test_a_repeat_gives_the_same_answer_and_changes_nothing(database: Database) -> None:
    first = tell(database)
    audited = kyc_actions(database)

    again = tell(database)

    assert (again.user_id, again.status, again.job) == (first.user_id, first.status, first.job)
    assert again.accepted is None
    assert kyc_actions(database) == audited


def test_a_repeat_after_the_jobs_end_still_names_the_first_job(database: Database) -> None:
    first = tell(database)
    finish(database, claim(database)[0])

    again = tell(database)

    assert again.job is not None
    assert first.job is not None
    assert (again.job.id, again.job.status) == (first.job.id, JobStatus.COMPLETED)


def test_a_word_that_was_overtaken_is_a_repeat(database: Database) -> None:
    tell(database)

    late = tell(database, KycStatus.PROCESSING)

    assert late.status is KycStatus.APPROVED
    assert late.job is not None


def test_a_submission_advances_step_by_step_and_each_is_audited(database: Database) -> None:
    tell(database, KycStatus.PENDING)
    tell(database, KycStatus.PROCESSING)
    tell(database, KycStatus.REJECTED, reasons=("blurred\0",))
    tell(database, KycStatus.APPROVED)

    assert kyc_actions(database) == ["kyc:registered", "kyc:processing", "kyc:rejected", "kyc:approved"]


@pytest.mark.parametrize("status", [KycStatus.REJECTED, KycStatus.EXPIRED])
def test_a_word_against_an_approval_is_a_conflict(database: Database, status: KycStatus) -> None:
    tell(database)

    with pytest.raises(ConflictError, match="approved already"):
        tell(database, status)
    assert tell(database).status is KycStatus.APPROVED


def test_another_user_for_the_same_reference_is_a_conflict(database: Database) -> None:
    tell(database, user_id=uuid4())

    with pytest.raises(ConflictError, match="another user"):
        tell(database, user_id=uuid4())


def test_a_callback_without_a_user_means_the_known_one(database: Database) -> None:
    user = uuid4()
    tell(database, KycStatus.PENDING, user_id=user)

    assert tell(database).user_id == user


def test_an_unknown_reference_is_not_found_outside_the_sandbox(database: Database) -> None:
    with pytest.raises(NotFoundError, match="ref-1"):
        tell(database, registers_unknown=False)
    assert kyc_actions(database) == []


def test_a_registered_reference_is_known(database: Database) -> None:
    user = uuid4()
    with database.write("onboarding", "register") as tx:
        view = kyc.register_submission(tx, "ref-1", user)
        again = kyc.register_submission(tx, "ref-1", uuid4())

    assert (view.user_id, view.status, view.rejection_reasons) == (user, KycStatus.PENDING, ())
    assert again == view
    assert tell(database, registers_unknown=False).user_id == user


def test_an_unknown_reference_without_a_user_stands_for_one_of_its_own(database: Database) -> None:
    first = tell(database, provider_ref="a")
    second = tell(database, provider_ref="b")

    assert first.user_id == kyc.user_of("a")
    assert first.user_id.version == 5
    assert second.user_id != first.user_id


def test_a_second_approval_for_the_same_user_returns_the_unfinished_job(database: Database) -> None:
    user = uuid4()
    first = tell(database, user_id=user, provider_ref="a")
    second = tell(database, user_id=user, provider_ref="b")

    assert first.job is not None
    assert second.job is not None
    assert second.job.id == first.job.id
