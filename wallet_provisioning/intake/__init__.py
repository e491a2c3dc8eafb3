"""Where injected messages come in: a dramatiq worker on Redis that turns them into jobs."""
