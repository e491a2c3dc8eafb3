"""The client for Circle's developer-controlled wallets: asks, reads, repeats, adopts."""
