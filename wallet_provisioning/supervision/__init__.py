"""Supervision for pykka: restarts, fenced mailboxes, hung threads. It knows nothing of wallets."""
