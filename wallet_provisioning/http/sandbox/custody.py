"""Whether a request carries the right entity secret, freshly encrypted."""

import hmac

from wallet_provisioning.http.sandbox.networks import World
from wallet_provisioning.http.sandbox.records import CiphertextUsed, SecretRegistered
from wallet_provisioning.http.sandbox.refusals import Code, Refusal
from wallet_provisioning.http.sandbox.secret import KeyPair, OpenedSecret, digest_of
from wallet_provisioning.http.sandbox.state import State
from wallet_provisioning.telemetry.events import Emit, Notice


class Custody:
    """Checks entity secrets. Runs on the loop and never waits, so no other call comes between."""

    def __init__(
        self, state: State, key_pair: KeyPair, *, entity_secret: str | None, registers_first: bool, emit: Emit
    ) -> None:
        """Take the secret that was given at the start; without one the state's counts."""
        self._state = state
        self._key_pair = key_pair
        self._given = None if entity_secret is None else digest_of(bytes.fromhex(entity_secret))
        self._registers_first = registers_first
        self._emit = emit

    def admit(self, world: World, ciphertext: str) -> None:
        """Accept a ciphertext and use it up; raises `Refusal` 156013, 156016 or 156004."""
        opened = self._key_pair.open(ciphertext)
        if not hmac.compare_digest(opened.digest, self._registered(world, opened)):
            raise Refusal(Code.SECRET_INVALID)
        if opened.ciphertext_digest in self._state.books(world).used_ciphertexts:
            raise Refusal(Code.CIPHERTEXT_REUSED)
        self._state.write(CiphertextUsed(world=world, digest=opened.ciphertext_digest))

    def _registered(self, world: World, opened: OpenedSecret) -> str:
        registered = self._given or self._state.books(world).secret_digest
        if registered is not None:
            return registered
        if not self._registers_first:
            raise Refusal(Code.SECRET_NOT_SET)
        self._state.write(SecretRegistered(world=world, digest=opened.digest))
        self._emit(Notice(text=f"the sandbox registered the first entity secret of its {world} environment"))
        return opened.digest
