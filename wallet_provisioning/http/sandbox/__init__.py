"""A server that answers like Circle's developer-controlled wallets, for development and for proofs.

It is strict where Circle is, keeps what it made in a file, and can be told to misbehave. It shares no
code with the client of `http.circle`, so that a misreading of Circle can't hide in both.
"""
