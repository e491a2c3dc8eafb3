"""Custodial wallets at Circle, one per user and blockchain, exactly once, whatever crashes."""

__version__ = "0.1.0"
