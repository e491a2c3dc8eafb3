"""What an audit wants to know of a world: how many of everything, and who has a wallet twice. Pure."""

from collections import defaultdict

from wallet_provisioning.http.sandbox.books import Books


def picture(books: Books) -> dict[str, object]:
    """Return the counts, and an entry for every (refId, blockchain) in the order of their first wallet."""
    owners: defaultdict[tuple[str | None, str], list[str]] = defaultdict(list)
    for wallet in books.wallets.items:
        owners[wallet.ref_id, wallet.blockchain].append(str(wallet.id))
    return {
        "walletSets": len(books.wallet_sets),
        "wallets": len(books.wallets),
        "idempotencyKeys": books.used_keys,
        "references": [
            {"refId": ref_id, "blockchain": blockchain, "count": len(ids), "ids": ids}
            for (ref_id, blockchain), ids in owners.items()
        ],
    }
