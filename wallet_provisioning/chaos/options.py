"""What a run of chaos is asked for."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class ChaosOptions:
    """How long jobs come in and things are struck, the seed of all chance, and the jobs per second."""

    length: timedelta
    seed: int
    rate: float
