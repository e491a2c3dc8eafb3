"""The onboarding service, as far as we know it: a process with its own dramatiq that injects messages."""

import json
import sys

import dramatiq
from dramatiq.brokers.redis import RedisBroker


def main(url: str, lines: list[str]) -> None:
    """Send a message for each line of JSON: the keyword arguments, and `options` beside them."""
    broker = RedisBroker(url=url)  # type: ignore[no-untyped-call] # theirs
    for line in lines:
        arguments = json.loads(line)
        options = arguments.pop("options", {})
        broker.enqueue(
            dramatiq.Message(
                queue_name="wallet-provisioning",
                actor_name="provision_wallets",
                args=(),
                kwargs=arguments,
                options=options,
            )
        )
    broker.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.stdin.read().splitlines())
