"""What a KYC decision may become. Only `approved` creates a job."""

from enum import StrEnum


class KycStatus(StrEnum):
    """The provider's word on a customer."""

    PENDING = "pending"
    PROCESSING = "processing"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"

    @property
    def is_decided(self) -> bool:
        """Whether the provider has finished with the submission."""
        return self not in {KycStatus.PENDING, KycStatus.PROCESSING}


class KycStep(StrEnum):
    """What to do with a callback, given what is known."""

    ADVANCE = "advance"
    REPEAT = "repeat"
    CONFLICT = "conflict"


def next_step(known: KycStatus, told: KycStatus) -> KycStep:
    """Return how a callback changes a submission.

    Callbacks are repeated and overtake each other: what is older than what is known is a repeat.
    An approval is final, since its wallets can't be deleted: a contrary word needs a person.
    """
    if told == known or (known.is_decided and not told.is_decided):
        return KycStep.REPEAT
    if known is KycStatus.APPROVED:
        return KycStep.CONFLICT
    return KycStep.ADVANCE
