import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from wallet_provisioning.store.errors import AlreadyRunningError, StoreUnusableError
from wallet_provisioning.store.lock import EmbeddedLock

_HOLDER = """
import sys
from wallet_provisioning.store.lock import EmbeddedLock
EmbeddedLock(sys.argv[1]).acquire()
print("held", flush=True)
sys.stdin.readline()
"""


def url_in(folder: Path) -> str:
    return f"sqlite:///{folder / 'wallets.db'}"


def start_holder(url: str) -> "subprocess.Popen[str]":
    holder = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, url], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    return holder


def test_a_second_daemon_is_refused_and_told_by_whom(tmp_path: Path) -> None:
    holder = start_holder(url_in(tmp_path))

    with pytest.raises(AlreadyRunningError, match=f"process {holder.pid} uses"):
        EmbeddedLock(url_in(tmp_path)).acquire()

    holder.communicate("go\n")
    EmbeddedLock(url_in(tmp_path)).acquire()


def test_the_kernel_releases_the_lock_of_a_killed_daemon(tmp_path: Path) -> None:
    holder = start_holder(url_in(tmp_path))
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()

    with EmbeddedLock(url_in(tmp_path)):
        assert (tmp_path / "wallets.db.lock").read_text() == f"{os.getpid()}\n"


def test_a_released_lock_can_be_taken_again(tmp_path: Path) -> None:
    first, second = EmbeddedLock(url_in(tmp_path)), EmbeddedLock(url_in(tmp_path))
    with first:
        first.acquire()
        with pytest.raises(AlreadyRunningError):
            second.acquire()
    second.acquire()
    second.release()
    second.release()


def test_a_database_of_another_name_has_another_lock(tmp_path: Path) -> None:
    with EmbeddedLock(url_in(tmp_path)), EmbeddedLock(f"sqlite:///{tmp_path / 'other.db'}"):
        assert len(list(tmp_path.iterdir())) == 2


def test_postgresql_needs_no_lock() -> None:
    with EmbeddedLock("postgresql://h/d"), EmbeddedLock("postgresql://h/d"):
        pass


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreUnusableError, match="No such file"):
        EmbeddedLock(url_in(tmp_path / "no")).acquire()
