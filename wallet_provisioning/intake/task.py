"""The dramatiq task `provision_wallets(user_id, chains=None, request_id=None)`."""

import logging
from typing import TYPE_CHECKING, Any

import dramatiq
from dramatiq.middleware import CurrentMessage

from wallet_provisioning.intake.broker import QueueBroker
from wallet_provisioning.intake.desk import Desk, Verdict
from wallet_provisioning.intake.messages import Envelope
from wallet_provisioning.intake.options import QUEUE, TASK
from wallet_provisioning.intake.redis_queue import given_to, id_of

if TYPE_CHECKING:
    from dramatiq.message import Message

_logger = logging.getLogger(__name__)


def declare_task(broker: QueueBroker, desk: Desk) -> None:
    """Declare the task at a broker.

    Its arguments come beside the call (`RedisQueue.read`): wrong ones must not become a `TypeError`. It runs
    on the worker's threads and never raises.
    """

    def provision_wallets() -> None:
        message = CurrentMessage.get_current_message()
        if message is None:
            msg = f"{TASK} runs on a worker only; send a message"
            raise RuntimeError(msg)
        match _handle(desk, _envelope(message)):
            case Verdict.DONE:
                return
            case Verdict.DEAD:
                message.fail()  # type: ignore[attr-defined]  # dramatiq types the proxy as what is behind it
            case Verdict.POSTPONED:
                broker.hand(message.queue_name).postpone(id_of(message))

    dramatiq.actor(broker=broker, actor_name=TASK, queue_name=QUEUE)(provision_wallets)


def _handle(desk: Desk, envelope: Envelope) -> Verdict:
    try:
        return desk.handle(envelope)
    except Exception as error:
        # A bug, on the border to dramatiq, which would acknowledge the message and so lose it.
        _logger.exception("message %r could not be handled", envelope.message_id)
        return desk.refuse(envelope, f"handling it failed with {type(error).__name__}")


def _envelope(message: "Message[Any]") -> Envelope:
    given = given_to(message)
    return Envelope(
        message_id=message.message_id,
        task=message.actor_name,
        positional=given.positional,
        arguments=given.arguments,
        options=message.options,
    )
