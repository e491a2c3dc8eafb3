import asyncio

from wallet_provisioning.http.sandbox.gates import Gates


async def held_at(gates: Gates, *names: str) -> list[asyncio.Task[None]]:
    calls = [asyncio.create_task(gates.hold(name)) for name in names]
    await asyncio.sleep(0)
    return calls


def shown(held: int, passed: int, gate: str = "a") -> dict[str, object]:
    return {"gate": gate, "held": held, "passed": passed}


async def test_opening_a_gate_lets_go_whoever_is_held_there_and_no_later_one() -> None:
    gates = Gates()
    first, second, other = await held_at(gates, "a", "a", "b")
    assert gates.body() == {"gates": [shown(2, 0), shown(1, 0, "b")]}
    gates.open("a")
    await asyncio.gather(first, second)
    (late,) = await held_at(gates, "a")
    assert gates.body() == {"gates": [shown(1, 2), shown(1, 0, "b")]}
    gates.open_all()
    await asyncio.gather(late, other)


async def test_a_call_that_is_given_up_is_held_no_longer_and_did_not_pass() -> None:
    gates = Gates()
    (call,) = await held_at(gates, "a")
    call.cancel()
    await asyncio.wait([call])
    gates.open("a")
    assert gates.body() == {"gates": [shown(0, 0)]}


async def test_a_gate_that_holds_nobody_is_opened_in_vain() -> None:
    gates = Gates()
    gates.open("a")
    (call,) = await held_at(gates, "a")
    assert not call.done()
    gates.open("a")
    await call
