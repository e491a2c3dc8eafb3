"""Two sides of one wallet, compared. Pure."""

from typing import Any, Protocol
from uuid import UUID

from wallet_provisioning.jobs.listed import ListedWallet, Owner, name_of, reference_of
from wallet_provisioning.reconcile.findings import Finding, Kind


class Recorded(Protocol):
    """A wallet as the store has it."""

    @property
    def user_id(self) -> UUID:
        """Whose it is."""
        ...

    @property
    def chain(self) -> str:
        """The chain that it was asked for on."""
        ...

    @property
    def blockchain(self) -> str | None:
        """The network."""
        ...

    @property
    def address(self) -> str | None:
        """Its address."""
        ...

    @property
    def account_type(self) -> str | None:
        """SCA or EOA."""
        ...

    @property
    def wallet_set_id(self) -> UUID | None:
        """Its set."""
        ...


def compare(recorded: Recorded, listed: ListedWallet) -> list[Finding]:
    """Return what is wrong with a wallet that is on both sides."""
    findings = []
    differences = _differences(recorded, listed)
    if differences:
        findings.append(_finding(Kind.DIFFERS, recorded, listed, "; ".join(differences)))
    if listed.state != "LIVE":
        findings.append(_finding(Kind.FROZEN, recorded, listed, f"its state at Circle is {listed.state}"))
    return findings


def _differences(recorded: Recorded, listed: ListedWallet) -> list[str]:
    owner = Owner(user_id=recorded.user_id, chain=recorded.chain)
    set_id = recorded.wallet_set_id or listed.wallet_set_id
    pairs: tuple[tuple[str, Any, Any], ...] = (
        ("address", recorded.address, listed.address),
        ("blockchain", recorded.blockchain, listed.blockchain),
        ("accountType", recorded.account_type, listed.account_type),
        ("walletSetId", recorded.wallet_set_id, listed.wallet_set_id),
        ("refId", reference_of(set_id, owner), listed.ref_id),
        ("name", name_of(owner), listed.name),
    )
    return [
        f"{field}: {here} here, {there or 'none'} at Circle"
        for field, here, there in pairs
        if not _is_same(field, here, there)
    ]


def _is_same(field: str, here: object, there: object) -> bool:
    is_evm = field == "address" and str(here).startswith("0x")  # Circle writes those in lower case
    return str(here).casefold() == str(there).casefold() if is_evm else here == there


def _finding(kind: Kind, recorded: Recorded, listed: ListedWallet, detail: str) -> Finding:
    return Finding(
        kind=kind,
        detail=detail,
        user_id=recorded.user_id,
        chain=recorded.chain,
        blockchain=listed.blockchain,
        ref_id=listed.ref_id,
        circle_wallet_id=listed.circle_wallet_id,
        address=listed.address,
    )
