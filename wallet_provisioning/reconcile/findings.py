"""What a reconcile can find, and its report."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Literal, Self
from uuid import UUID

_MOST_KEPT = 1000


class Kind(StrEnum):
    """What can be wrong.

    `adoptable`: at Circle, and wanted here, but not recorded. `unclaimed`: at Circle, of ours, and its
    user unknown here. `missing`: live here, gone at Circle. `duplicate`: a second wallet for one user
    and chain. `frozen`: Circle has frozen it. `stuck`: wanted here, and nobody works on it. `differs`:
    the two sides say different things of one wallet.
    """

    ADOPTABLE = "adoptable"
    UNCLAIMED = "unclaimed"
    MISSING = "missing"
    DUPLICATE = "duplicate"
    FROZEN = "frozen"
    STUCK = "stuck"
    DIFFERS = "differs"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong, and what it concerns as far as that is known."""

    kind: Kind
    detail: str
    user_id: UUID | None = None
    chain: str | None = None
    blockchain: str | None = None
    ref_id: str | None = None
    circle_wallet_id: UUID | None = None
    address: str | None = None
    mended: bool = False

    def json(self) -> dict[str, object]:
        """Return the finding for scripts."""
        return {
            "kind": self.kind.value,
            "detail": self.detail,
            "user_id": None if self.user_id is None else str(self.user_id),
            "chain": self.chain,
            "blockchain": self.blockchain,
            "ref_id": self.ref_id,
            "circle_wallet_id": None if self.circle_wallet_id is None else str(self.circle_wallet_id),
            "address": self.address,
            "mended": self.mended,
        }


def finding_of(kind: Kind, row: Any, detail: str, *, mended: bool = False) -> Finding:  # noqa: ANN401
    """Return what is wrong with a wallet, for a row of `wallets_after` or `strays_after`."""
    return Finding(
        kind=kind,
        detail=detail,
        user_id=row.user_id,
        chain=row.chain,
        blockchain=row.blockchain,
        ref_id=row.ref_id,
        circle_wallet_id=row.circle_wallet_id,
        address=row.address,
        mended=mended,
    )


@dataclass(slots=True, kw_only=True)
class Tally:
    """Counts findings, and keeps the first thousand: there may be millions."""

    at_circle: int = 0
    here: int = 0
    foreign: int = 0
    waiting: int = 0
    unprotected: int = 0
    examples: list[UUID] = field(default_factory=list)
    found: Counter[Kind] = field(default_factory=Counter)
    mended: Counter[Kind] = field(default_factory=Counter)
    kept: list[Finding] = field(default_factory=list)

    def add(self, finding: Finding) -> None:
        """Take a finding in."""
        self.found[finding.kind] += 1
        self.mended[finding.kind] += finding.mended
        if len(self.kept) < _MOST_KEPT:
            self.kept.append(finding)

    def left(self) -> dict[str, int]:
        """Return how many of each kind are left unmended, also where there is none."""
        return {kind.value: self.found[kind] - self.mended[kind] for kind in Kind}


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A whole run. `foreign` are others' wallets in the set, `waiting` those that wait for their user.

    `hold` says whether the run had creations held back, or released them.
    """

    applied: bool
    at_circle: int
    here: int
    foreign: int
    waiting: int
    found: Mapping[str, int]
    left: Mapping[str, int]
    findings: tuple[Finding, ...]
    hold: Literal["placed", "released"] | None
    took: timedelta

    @classmethod
    def of_nothing(cls, *, applied: bool) -> Self:
        """Return the report of a run that had nothing to compare."""
        none = Tally().left()
        return cls(
            applied=applied,
            at_circle=0,
            here=0,
            foreign=0,
            waiting=0,
            found=none,
            left=none,
            findings=(),
            hold=None,
            took=timedelta(),
        )

    @property
    def is_clean(self) -> bool:
        """Whether nothing is left to be done."""
        return not any(self.left.values())

    def json(self) -> dict[str, object]:
        """Return the report for scripts."""
        return {
            "clean": self.is_clean,
            "applied": self.applied,
            "wallets_at_circle": self.at_circle,
            "wallets_here": self.here,
            "foreign": self.foreign,
            "waiting_for_their_user": self.waiting,
            "found": dict(self.found),
            "left": dict(self.left),
            "hold": self.hold,
            "took_seconds": round(self.took.total_seconds(), 3),
            "findings": [finding.json() for finding in self.findings],
        }
