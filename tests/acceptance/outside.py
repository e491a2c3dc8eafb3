"""A Circle of its own, that outlives the daemons: the sandbox as a process, with its state and its gates."""

import base64
import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tests.acceptance.house import LAUNCHER, House, until
from tests.sandbox_support import OAEP, seeded_state

API_KEY = "TEST_API_KEY:3f6c2a51-8f1e-4f0b-9a54-6f2f6b1b7c11:0d5a9c61b7e24f38"
ENTITY_SECRET = "c3" * 32
CREATE = {"operation": "create_wallets"}


class Circle:
    """The sandbox process, asked and disturbed from outside."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.state_file = seeded_state(folder)
        self._process = subprocess.Popen(
            [
                *(sys.executable, str(LAUNCHER), "sandbox", "--port", "0", "--latency", "0s"),
                *("--no-rate-limits", "--entity-secret", ENTITY_SECRET, "--api-key", API_KEY),
                *("--state", str(self.state_file), *options),
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.communicate(timeout=60)
            msg = f"the sandbox ended with exit code {self._process.returncode}"
            raise AssertionError(msg)
        self.base_url = line.split()[-1]
        headers = {"Authorization": f"Bearer {API_KEY}"}
        self._client = httpx.Client(base_url=self.base_url, headers=headers, timeout=60)

    def close(self) -> None:
        """End the process."""
        self._client.close()
        self._process.kill()
        self._process.communicate(timeout=60)

    def settings(self, **more: str) -> dict[str, str]:
        """Return the settings of a daemon that works with this Circle: quick to try again, one chain.

        Each has a wallet set of its own, or one's database would seem to have lost what the other made.
        """
        return {
            "CIRCLE_WALLET_SET_ID": self._new_set(),
            "CIRCLE_BASE_URL": self.base_url,
            "CIRCLE_API_KEY": API_KEY,
            "CIRCLE_ENTITY_SECRET": ENTITY_SECRET,
            "CIRCLE_WALLET_RATE": "1000",
            "CIRCLE_GET_RATE": "1000",
            "WORKER_CHAINS": "ETH",
            "WORKER_BASE_BACKOFF": "100ms",
            "LOG_LEVEL": "debug",
            **more,
        }

    def disturb(self, *faults: Mapping[str, Any]) -> None:
        """Put these faults in force, and no others; whoever was held goes on."""
        answer = self._client.put("/sandbox/faults", json={"faults": list(faults)})
        assert answer.status_code == 200, answer.text

    def hold(self, gate: str, when: str, **scope: object) -> None:
        """Hold calls at a gate: wallet creations unless told otherwise."""
        self.disturb({"kind": "hold", "gate": gate, "when": when, **CREATE, **scope})

    def open(self, gate: str) -> None:
        """Let go whom a gate holds."""
        assert self._client.delete(f"/sandbox/gates/{gate}").status_code == 200

    def wait_held(self, gate: str, count: int = 1) -> None:
        """Wait until a gate holds so many calls."""
        until(lambda: self._gate(gate)["held"] >= count or None, 60, lambda: str(self._gate(gate)))

    def wait_passed(self, gate: str, count: int = 1) -> None:
        """Wait until so many calls went on at a gate."""
        until(lambda: self._gate(gate)["passed"] >= count or None, 60, lambda: str(self._gate(gate)))

    def hits(self) -> int:
        """Return how often the faults in force have struck."""
        return sum(fault["hits"] for fault in self._client.get("/sandbox/faults").json()["faults"])

    def wallets(self) -> dict[str, list[str]]:
        """Return the ids of all wallets by refId, whatever their chain: a refId is of one chain."""
        state = self._client.get("/sandbox/state").json()["environments"]["test"]
        found: defaultdict[str, list[str]] = defaultdict(list)
        for entry in state["references"]:
            found[entry["refId"]] += entry["ids"]
        return dict(found)

    def _new_set(self) -> str:
        signed = {"idempotencyKey": str(uuid4()), "entitySecretCiphertext": self._ciphertext()}
        answer = self._client.post("/v1/w3s/developer/walletSets", json=signed)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["data"]["walletSet"]["id"])

    def _ciphertext(self) -> str:
        answer = self._client.get("/v1/w3s/config/entity/publicKey")
        key = load_pem_public_key(answer.json()["data"]["publicKey"].encode())
        assert isinstance(key, RSAPublicKey)
        return base64.b64encode(key.encrypt(bytes.fromhex(ENTITY_SECRET), OAEP)).decode()

    def _gate(self, gate: str) -> dict[str, Any]:
        shown: list[dict[str, Any]] = self._client.get("/sandbox/gates").json()["gates"]
        return next((each for each in shown if each["gate"] == gate), {"held": 0, "passed": 0})


@contextmanager
def open_circle(folder: Path, *options: str) -> Iterator[Circle]:
    """A Circle for the time of the block."""
    circle = Circle(folder, *options)
    try:
        yield circle
    finally:
        circle.close()


def assert_one_wallet_each(circle: Circle, house: House, wallets: int) -> None:
    """Each user has one wallet a chain, at Circle and in the store, and they are the same; no job failed."""
    rows = house.rows("SELECT user_id, chain, status, ref_id, circle_wallet_id FROM managed_wallets")
    assert {row["status"] for row in rows} == {"live"}, rows
    assert len({(row["user_id"], row["chain"]) for row in rows}) == len(rows) == wallets
    at_circle = circle.wallets()
    assert {reference: ids for reference, ids in at_circle.items() if len(ids) > 1} == {}
    assert {row["ref_id"]: [str(row["circle_wallet_id"])] for row in rows} == {
        row["ref_id"]: at_circle.get(row["ref_id"]) for row in rows
    }
    bound = {id_ for ids in at_circle.values() for id_ in ids}
    assert len(bound & {str(row["circle_wallet_id"]) for row in rows}) == wallets
    jobs = house.rows("SELECT status, crash_count FROM wallet_provisioning_jobs")
    assert {(job["status"], job["crash_count"]) for job in jobs} == {("completed", 0)}
    created = house.rows("SELECT count(*) AS n FROM audit_logs WHERE action = 'wallet-worker:wallet_created'")
    assert created == [{"n": wallets}]


def wait_for_lines(house: House, *wanted: Mapping[str, object]) -> None:
    """Wait until the daemon has logged lines with these values, one after the other."""
    until(lambda: _has_lines(house.log, wanted) or None, 60, house.tail)


def _has_lines(log: Path, wanted: Sequence[Mapping[str, object]]) -> bool:
    left = list(wanted)
    for entry in entries(log):
        if left and all(entry.get(name) == value for name, value in left[0].items()):
            left.pop(0)
    return not left


def entries(log: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a log that are whole and ours."""
    for line in log.read_text().splitlines():
        try:
            yield json.loads(line)
        except ValueError:
            continue
