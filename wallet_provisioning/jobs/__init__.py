"""The words of the trade, pure: states, moves, outcomes, errors, chains and derived identities."""
