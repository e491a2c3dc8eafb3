"""The one-shot answer from the tree to the asyncio world."""

import asyncio
import threading

import pytest

from wallet_provisioning.supervision.reply import Reply


async def test_an_answer_from_another_thread_is_awaited_on_the_loop() -> None:
    reply: Reply[int] = Reply(asyncio.get_running_loop())
    thread = threading.Thread(target=reply.set, args=(7,))
    thread.start()

    assert await reply.get(20) == 7
    thread.join()


async def test_the_first_answer_counts() -> None:
    reply: Reply[int] = Reply(asyncio.get_running_loop())
    reply.set(1)
    reply.set(2)

    assert await reply.get(20) == 1
    assert await reply.get(20) == 1


async def test_an_answer_that_does_not_come_is_a_timeout_and_may_still_come_later() -> None:
    reply: Reply[int] = Reply(asyncio.get_running_loop())
    with pytest.raises(TimeoutError):
        await reply.get(0)
    reply.set(3)

    assert await reply.get(20) == 3


def test_an_answer_after_the_loop_has_closed_is_ignored() -> None:
    loop = asyncio.new_event_loop()
    reply: Reply[int] = Reply(loop)
    loop.close()

    reply.set(1)


async def test_waiting_for_an_answer_does_not_block_the_loop() -> None:
    loop = asyncio.get_running_loop()
    reply: Reply[str] = Reply(loop)
    loop.call_soon(reply.set, "from the loop itself")

    assert await reply.get(20) == "from the loop itself"
