"""What every daemon that is measured is set to."""

import os
from collections.abc import Mapping

from benchmarks.backlog import CHAINS

_ENTITY_SECRET = "ab" * 32
_RATE = "100000"


def daemon_environment(url: str, circle: str, pool: int) -> Mapping[str, str]:
    """Return the environment of a daemon that Circle never slows down."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {
        **kept,
        "DATABASE_URL": url,
        "CIRCLE_BASE_URL": circle,
        "CIRCLE_API_KEY": "TEST_API_KEY:benchmark:benchmark",
        "CIRCLE_ENTITY_SECRET": _ENTITY_SECRET,
        "CIRCLE_WALLET_RATE": _RATE,
        "CIRCLE_POST_RATE": _RATE,
        "CIRCLE_GET_RATE": _RATE,
        "WORKER_CHAINS": ",".join(CHAINS),
        "WORKER_MAX_CONCURRENCY": str(pool),
        "WORKER_JOB_BATCH_SIZE": str(max(10, pool)),
        "ADMIN_PORT": "0",
    }
