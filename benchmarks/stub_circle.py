"""A Circle that answers at once and remembers nothing, in a process of its own.

Ids and addresses follow from refId and blockchain, so a replay gets the same answer. It looks at no
ciphertext and no key: what is measured is the daemon. `python -m benchmarks.stub_circle` prints its port
and serves until its standard input ends, so that it never outlives who started it. With `clock` it prints
the time of each order for wallets, on the monotonic clock that all processes of the machine share.
"""

import asyncio
import logging
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from uuid import NAMESPACE_OID, UUID, uuid5

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

_ROOT = Path(__file__).parents[1]
_DATE = "2026-01-01T00:00:00Z"
_PEM = web.AppKey("pem", str)
_HAS_CLOCK = web.AppKey("has_clock", bool)


@contextmanager
def running_stub() -> Iterator[str]:
    """Have a stub run; yields its base URL."""
    with _process(lambda _line: None) as url:
        yield url


@contextmanager
def timed_stub() -> Iterator[tuple[str, "queue.SimpleQueue[float]"]]:
    """Have a stub run; yields its base URL, and where the times of orders for wallets come out."""
    times: queue.SimpleQueue[float] = queue.SimpleQueue()
    with _process(lambda line: times.put(float(line)), "clock") as url:
        yield url, times


@contextmanager
def _process(hear: Callable[[str], None], *words: str) -> Iterator[str]:
    command = [sys.executable, "-m", "benchmarks.stub_circle", *words]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=_ROOT, stdin=pipe, stdout=pipe, text=True) as process:  # noqa: S603 - ours
        if process.stdin is None or process.stdout is None or not (port := process.stdout.readline().strip()):
            msg = "the stub of Circle did not start"
            raise RuntimeError(msg)
        reader = threading.Thread(target=_read, args=(process.stdout, hear), daemon=True)
        reader.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.stdin.close()
            reader.join()


def _read(lines: IO[str], hear: Callable[[str], None]) -> None:
    for line in lines:
        hear(line)


async def _public_key(request: web.Request) -> web.Response:
    return web.json_response({"data": {"publicKey": request.app[_PEM]}})


async def _make_set(request: web.Request) -> web.Response:
    key = (await request.json())["idempotencyKey"]
    wallet_set = {"id": key, "custodyType": "DEVELOPER", "createDate": _DATE, "updateDate": _DATE}
    return web.json_response({"data": {"walletSet": wallet_set}}, status=201)


async def _make_wallets(request: web.Request) -> web.Response:
    if request.app[_HAS_CLOCK]:
        _say(repr(time.monotonic()))
    order = await request.json()
    wallets = [
        _wallet(order, blockchain, each) for blockchain in order["blockchains"] for each in order["metadata"]
    ]
    return web.json_response({"data": {"wallets": wallets}}, status=201)


async def _find_wallets(_request: web.Request) -> web.Response:
    return web.json_response({"data": {"wallets": []}})


def _wallet(order: dict[str, Any], blockchain: str, metadata: dict[str, str]) -> dict[str, str]:
    wallet_id = uuid5(NAMESPACE_OID, f"{blockchain} {metadata['refId']}")
    return {
        "id": str(wallet_id),
        "state": "LIVE",
        "walletSetId": order["walletSetId"],
        "custodyType": "DEVELOPER",
        "address": _address(blockchain, wallet_id),
        "blockchain": blockchain,
        "accountType": order["accountType"],
        "createDate": _DATE,
        "updateDate": _DATE,
        "name": metadata["name"],
        "refId": metadata["refId"],
    }


def _address(blockchain: str, wallet_id: UUID) -> str:
    """Return something in the form of an address: 44 letters of base58, or 40 or 64 of hexadecimal."""
    if blockchain.startswith("SOL"):
        return f"5{'1' * 11}{wallet_id.hex.replace('0', 'g')}"
    return f"0x{wallet_id.hex:0>{64 if blockchain.startswith('APTOS') else 40}}"


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _application(*, has_clock: bool) -> web.Application:
    application = web.Application(client_max_size=2**24)
    application[_HAS_CLOCK] = has_clock
    public = generate_private_key(public_exponent=65_537, key_size=4_096).public_key()
    application[_PEM] = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    application.add_routes(
        [
            web.get("/v1/w3s/config/entity/publicKey", _public_key),
            web.post("/v1/w3s/developer/walletSets", _make_set),
            web.post("/v1/w3s/developer/wallets", _make_wallets),
            web.get("/v1/w3s/wallets", _find_wallets),
        ]
    )
    return application


async def _serve() -> None:
    # A peer that has done its share leaves in the middle of its calls, which is no news.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    runner = web.AppRunner(_application(has_clock="clock" in sys.argv), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    _say(str(runner.addresses[0][1]))
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(_serve())
