"""The ids that the store gives: UUID version 7, so that their order is the order of time."""

from uuid import UUID

import uuid_utils

from wallet_provisioning.store.text_ids import text_id


def new_id() -> UUID:
    """Return the next id; within a process each is greater than the one before. Safe on any thread."""
    return text_id(str(uuid_utils.uuid7()))


def new_ids(count: int) -> list[str]:
    """Return the next ids as texts, in their order."""
    return [str(uuid_utils.uuid7()) for _ in range(count)]
