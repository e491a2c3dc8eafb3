"""Which Circle the program speaks to: the real one, or the sandbox that it starts itself."""

from dataclasses import dataclass
from uuid import UUID

from pydantic import SecretStr

CIRCLE_ADDRESS = "https://api.circle.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxCircle:
    """The built-in sandbox. `asked_for` is False where it starts by itself."""

    asked_for: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RealCircle:
    """An account at Circle, or at a sandbox that someone else runs. The repr shows no secret."""

    base_url: str
    api_key: SecretStr
    entity_secret: SecretStr
    wallet_set_id: UUID | None
