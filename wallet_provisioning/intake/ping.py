"""Whether Redis answers: asked once, from outside the intake."""

from contextlib import closing

from redis.exceptions import RedisError

from wallet_provisioning.intake.broker import connect


def ping(url: str) -> str | None:
    """Return None where Redis answers, else what it or the network says. Waits a few seconds at most.

    Raises `InvalidRedisUrlError`. The answer never holds the password.
    """
    with closing(connect(url)) as client:
        try:
            client.ping()
        except RedisError as error:
            return str(error) or type(error).__name__
    return None
