"""What a run of chaos reads: processes from /proc, and a log whose end may be torn."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

from wallet_provisioning.chaos import gather, proc
from wallet_provisioning.chaos.facts import CircleWallet

USER = UUID(int=5)
WALLET = UUID(int=6)
WAITING = "import threading; threading.Thread(target=input).start(); print('ready', flush=True)"
OPENING = "import socket; kept = open('x.log', 'w'), socket.socket(); print('ready', flush=True); input()"


@contextmanager
def process(folder: Path, code: str) -> Iterator[int]:
    """A Python process in a folder, up to its first line."""
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == b"ready\n"
        yield run.pid
        run.communicate(b"\n")


def test_threads_and_memory_are_those_of_the_process(tmp_path: Path) -> None:
    with process(tmp_path, WAITING) as pid:
        vitals = proc.vitals(pid)
    assert vitals.threads == 2
    assert 1_000 < vitals.memory < 1_000_000


def test_descriptors_are_counted_by_what_they_lead_to(tmp_path: Path) -> None:
    with process(tmp_path, OPENING) as pid:
        descriptors = dict(proc.vitals(pid).descriptors)
    assert (descriptors[".log"], descriptors["socket"], descriptors["pipe"]) == (1, 1, 2)


def test_the_files_of_the_database_are_one_kind(tmp_path: Path) -> None:
    files = [tmp_path / f"wallet-provisioning.db{end}" for end in ("", "-wal", "-shm")]
    opening = f"kept = [open(name, 'w') for name in {[str(file) for file in files]}]"
    with process(tmp_path, f"{opening}; print('ready', flush=True); input()") as pid:
        assert proc.vitals(pid).descriptors["database"] == 3


def test_children_are_found_whichever_thread_started_them(tmp_path: Path) -> None:
    begun: list[subprocess.Popen[bytes]] = []
    ended = threading.Event()

    def begin() -> None:
        begun.append(subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, cwd=tmp_path))
        ended.wait()

    thread = threading.Thread(target=begin)
    thread.start()
    try:
        while not begun:
            pass
        assert begun[0].pid in proc.children(threading.get_native_id())
    finally:
        ended.set()
        thread.join()
        begun[0].communicate(b"\n")


def test_processes_are_found_by_the_folder_that_they_work_in(tmp_path: Path) -> None:
    with process(tmp_path, WAITING) as pid:
        assert proc.living_in(tmp_path.resolve()) == (pid,)
    assert proc.living_in(tmp_path.resolve()) == ()


def written(folder: Path, *entries: object, torn: str = "") -> Path:
    log = folder / "daemon-1.log"
    lines = (entry if isinstance(entry, str) else json.dumps(entry) for entry in entries)
    log.write_text("".join(f"{line}\n" for line in lines) + torn)
    return log


def test_errors_that_a_kill_explains_are_no_trouble(tmp_path: Path) -> None:
    log = written(tmp_path, {"level": "info", "event": "notice"}, {"level": "error", "event": "actor_ended"})
    assert gather.read_log(log) == ((), ())


def test_any_other_error_and_any_traceback_is_trouble(tmp_path: Path) -> None:
    odd = {"level": "error", "event": "notice", "text": "what"}
    errors, _ = gather.read_log(written(tmp_path, odd, "Traceback (most recent call last):"))
    assert errors == (json.dumps(odd), "Traceback (most recent call last):")


def test_a_message_that_found_no_actor_is_a_loss(tmp_path: Path) -> None:
    lost = {"level": "warning", "event": "dead_letter", "actor": "jobs/1"}
    assert gather.read_log(written(tmp_path, lost)) == ((), (json.dumps(lost),))


def test_a_line_that_a_kill_tore_off_is_left_out(tmp_path: Path) -> None:
    assert gather.read_log(written(tmp_path, {"level": "info"}, torn='{"level": "err')) == ((), ())


def test_wallets_are_counted_in_the_sandboxs_own_file(tmp_path: Path) -> None:
    wallet = {"id": str(WALLET), "name": f"ETH {USER}", "address": "0x1", "blockchain": "ETH-SEPOLIA"}
    records = [{"kind": "key_pair"}, {"kind": "wallets", "wallets": [wallet]}, {"kind": "ciphertext"}]
    state = tmp_path / "wallet-provisioning-sandbox.jsonl"
    state.write_text("".join(f"{json.dumps(record)}\n" for record in records))
    assert gather.wallets_at_circle(tmp_path) == (
        CircleWallet(id=WALLET, user_id=USER, chain="ETH", address="0x1"),
    )
