"""Compares the wallets at Circle with those in the store, and mends what can be mended."""
