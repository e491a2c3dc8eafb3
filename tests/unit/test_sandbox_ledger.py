import asyncio
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from wallet_provisioning.http.sandbox.errors import (
    StateCorruptError,
    StateTakenError,
    StateUnusableError,
)
from wallet_provisioning.http.sandbox.ledger import Ledger


def decode(line: bytes) -> str:
    return str(int(line))


@contextmanager
def opened(path: Path) -> Iterator[tuple[Ledger, list[str]]]:
    ledger = Ledger(path)
    records = ledger.open(decode)
    try:
        yield ledger, records
    finally:
        ledger.close()


async def test_settled_lines_are_there_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "state"
    with opened(path) as (ledger, records):
        assert records == []
        ledger.add(b"1")
        ledger.add(b"2")
        await ledger.settle()
        assert path.read_bytes() == b"1\n2\n"
    with opened(path) as (ledger, records):
        assert records == ["1", "2"]
        ledger.add(b"3")
        await ledger.settle()
    with opened(path) as (_, records):
        assert records == ["1", "2", "3"]


async def test_settling_nothing_returns_at_once(tmp_path: Path) -> None:
    with opened(tmp_path / "state") as (ledger, _):
        await ledger.settle()
        ledger.add(b"1")
        await ledger.settle()
        await ledger.settle()


async def test_many_who_wait_at_once_all_find_their_lines_written(tmp_path: Path) -> None:
    path = tmp_path / "state"
    with opened(path) as (ledger, _):

        async def write(number: int) -> None:
            ledger.add(str(number).encode())
            await ledger.settle()
            assert str(number).encode() in path.read_bytes().split(b"\n")

        await asyncio.gather(*(write(number) for number in range(200)))
    assert sorted(int(line) for line in path.read_text().split()) == list(range(200))


async def test_who_gives_up_waiting_does_not_stop_the_writing(tmp_path: Path) -> None:
    path = tmp_path / "state"
    with opened(path) as (ledger, _):
        ledger.add(b"1")
        waiting = asyncio.create_task(ledger.settle())
        await asyncio.sleep(0)
        waiting.cancel()
        await ledger.settle()
        assert path.read_bytes() == b"1\n"


@pytest.mark.parametrize("torn", [b"3", b"x", b'{"kind":', b"\0\0"])
def test_a_torn_last_line_is_dropped(tmp_path: Path, torn: bytes) -> None:
    path = tmp_path / "state"
    path.write_bytes(b"1\n2\n" + torn)
    with opened(path) as (_, records):
        assert records == ["1", "2"]
    assert path.read_bytes() == b"1\n2\n"


@pytest.mark.parametrize("content", [b"1\nx\n3\n", b"1\nx\n", b"\n1\n", b"x\n1"])
def test_a_whole_line_that_makes_no_sense_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state"
    path.write_bytes(content)
    line = content.split(b"\n").index(b"x") + 1 if b"x" in content else 1
    with pytest.raises(StateCorruptError, match=f"Line {line} of"):
        Ledger(path).open(decode)
    assert path.read_bytes() == content


def test_a_second_holder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "state"
    with opened(path), pytest.raises(StateTakenError, match="Another sandbox holds"):
        Ledger(path).open(decode)
    with opened(path) as (_, records):
        assert records == []


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.touch(0o644)
    with opened(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_path_that_can_not_be_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StateUnusableError, match="Is a directory"):
        Ledger(tmp_path).open(decode)
    (tmp_path / "file").touch()
    with pytest.raises(StateUnusableError, match="can't be used"):
        Ledger(tmp_path / "file" / "state").open(decode)


async def test_after_a_failed_write_nothing_is_answered_any_more(tmp_path: Path) -> None:
    path = tmp_path / "full"
    path.symlink_to("/dev/full")
    ledger = Ledger(tmp_path / "state")
    ledger.open(decode)
    full = os.open(path, os.O_WRONLY)
    os.dup2(full, ledger._file)
    os.close(full)
    ledger.add(b"1")
    with pytest.raises(StateUnusableError, match="No space left"):
        await ledger.settle()
    with pytest.raises(StateUnusableError):
        await ledger.settle()
    with pytest.raises(StateUnusableError):
        ledger.add(b"2")
    ledger.close()
