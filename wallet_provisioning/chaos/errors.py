"""What keeps a run of chaos from being made at all."""


class ChaosError(Exception):
    """The run can't be made; the message says why, and what to look at."""


class NoProcError(ChaosError):
    """Chaos reads /proc to see leaks, and only Linux has that: run it there."""


class NotStartedError(ChaosError):
    """The daemon did not start; its log says why."""
