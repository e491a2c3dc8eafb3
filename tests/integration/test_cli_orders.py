"""`breaker`, `pause`, `resume` on the store, and `chains` against a server on a real port."""

import asyncio
import json
import sqlite3
from pathlib import Path

import pytest

from tests.support_api import House
from wallet_provisioning.cli import main
from wallet_provisioning.http.api.parts import ApiOptions

Written = pytest.CaptureFixture[str]


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"DATABASE_URL": f"sqlite:///{tmp_path / 'wallets.db'}"}


def audited(tmp_path: Path) -> list[tuple[str, str]]:
    with sqlite3.connect(tmp_path / "wallets.db") as connection:
        query = "SELECT actor, action FROM audit_logs WHERE action LIKE 'admin:%' ORDER BY id"
        rows = connection.execute(query).fetchall()
    connection.close()
    return rows


def test_a_breaker_is_forced_while_no_daemon_runs_and_given_back(
    environ: dict[str, str], tmp_path: Path, capsys: Written
) -> None:
    command = ["breaker", "ETH", "open", "--reason", "an upgrade", "--for", "2h"]
    assert main([*command, "--json"], environ) == 0
    (order,) = json.loads(capsys.readouterr().out)["items"]
    assert (order["kind"], order["subject"], order["state"]) == ("breaker", "ETH", "open")
    assert (order["reason"], order["placed_by"]) == ("an upgrade", "cli")
    assert order["until"] is not None

    assert main(["breaker", "ETH", "auto"], environ) == 0
    assert capsys.readouterr().out == "no standing orders\n"
    assert audited(tmp_path) == [("cli", "admin:breaker_forced_open"), ("cli", "admin:breaker_auto")]


def test_claiming_is_paused_and_resumed(environ: dict[str, str], tmp_path: Path, capsys: Written) -> None:
    assert main(["pause", "--reason", "a migration"], environ) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("claiming", "paused", "withdrawn", "cli", "a migration"))
    assert main(["resume"], environ) == 0
    assert main(["resume"], environ) == 0
    assert capsys.readouterr().err.endswith("nothing was paused\n")
    assert audited(tmp_path) == [("cli", "admin:pause_claiming"), ("cli", "admin:resume_claiming")]


@pytest.mark.parametrize(
    "command",
    [
        ["breaker", "ETH", "open"],
        ["breaker", "DOGE", "open", "--reason", "x"],
        ["breaker", "ETH", "auto", "--for", "1h"],
        ["breaker", "ETH", "ajar", "--reason", "x"],
        ["pause"],
        ["pause", "--reason", "x", "--for", "a while"],
        ["pause", "--reason", "x", "--for", "0s"],
        ["pause", "--reason", "x", "--for", "8785h"],
        ["pause", "--reason", ""],
        ["pause", "--reason", " \t "],
        ["pause", "--reason", "x" * 501],
        ["resume", "--reason", " "],
        ["breaker", "ETH", "open", "--reason", "x", "--for", "0s"],
        ["breaker", "ETH", "closed", "--reason", "  "],
        ["breaker", "ETH", "auto", "--reason", "  "],
    ],
)
def test_wrong_usage_is_exit_code_2_and_changes_no_order(
    environ: dict[str, str], tmp_path: Path, command: list[str]
) -> None:
    assert main(["pause", "--reason", "a migration"], environ) == 0
    assert main(["breaker", "ETH", "open", "--reason", "an upgrade"], environ) == 0
    given = audited(tmp_path)
    assert main(command, environ) == 2
    assert audited(tmp_path) == given


def test_a_database_out_of_reach_is_exit_code_3() -> None:
    nowhere = {"DATABASE_URL": "postgresql://me@127.0.0.1:1/wallets"}
    assert main(["pause", "--reason", "x"], nowhere) == 3


async def test_the_chains_of_a_daemon_are_shown(tmp_path: Path, capsys: Written) -> None:
    async with House(tmp_path, ApiOptions(admin_token="full")) as house:
        address = ["--url", house.server.url, "--token", "full"]
        assert await asyncio.to_thread(main, ["chains", *address], {}) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].split() == [
            "chain",
            "breaker",
            "since",
            "forced",
            "in",
            "flight",
            "waiting",
            "reason",
        ]
        assert lines[1].split() == ["ETH", "closed", "0", "0"]
        assert await asyncio.to_thread(main, ["chains", "--json", *address], {}) == 0
        assert json.loads(capsys.readouterr().out)["items"][0]["forced"] is None
    assert await asyncio.to_thread(main, ["chains", *address], {}) == 3
