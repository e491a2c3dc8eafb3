"""`audit` as those use it who don't trust the database: verify, export, and the keys."""

import json
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.support_store import accept, open_sqlite
from wallet_provisioning.cli import main
from wallet_provisioning.cli.parameters import TIME
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.seals import Seal, seal_next
from wallet_provisioning.store.signing import Signer, new_secret_key

SECRET = new_secret_key()
SIGNER = Signer(SECRET)
Written = pytest.CaptureFixture[str]


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return open_sqlite(tmp_path)


@pytest.fixture
def environ(database: Database) -> dict[str, str]:
    return {"DATABASE_URL": database.url, "AUDIT_SIGNING_KEY": SECRET}


def seal(database: Database) -> Seal:
    with database.write("sealer", "seal") as tx:
        made = seal_next(tx, SIGNER)
    assert made is not None
    return made


def forge(database: Database, statement: str) -> None:
    """Change the file by hand, as somebody does who has it."""
    connection = sqlite3.connect(database.url.removeprefix("sqlite:///"))
    for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_a_whole_audit_is_exit_code_0_and_says_what_is_not_sealed_yet(
    database: Database, environ: dict[str, str], capsys: Written
) -> None:
    accept(database)
    head = seal(database).head
    accept(database)

    assert main(["audit", "verify"], environ) == 0
    assert capsys.readouterr().out.splitlines() == [
        "1 rows under 1 seals: whole",
        "1 rows are not sealed yet",
        f"head {head}",
    ]
    assert main(["audit", "verify", "--head", head.upper(), "--json"], environ) == 0
    assert json.loads(capsys.readouterr().out)["is_whole"] is True


def test_a_forged_row_is_exit_code_1_and_named(
    database: Database, environ: dict[str, str], capsys: Written
) -> None:
    accept(database)
    first = seal(database).first_id
    forge(database, "UPDATE audit_logs SET actor = 'nobody'")

    assert main(["audit", "verify"], environ) == 1
    assert f"BREACH: audit row {first} was changed (seal 1)" in capsys.readouterr().out
    assert main(["audit", "verify", "--json"], environ) == 1
    assert json.loads(capsys.readouterr().out)["breach"]["audit_id"] == str(first)


def test_who_has_the_public_key_alone_can_verify(
    database: Database, environ: dict[str, str], capsys: Written
) -> None:
    accept(database)
    seal(database)
    without = {"DATABASE_URL": database.url}
    assert main(["audit", "key"], environ) == 0
    public = capsys.readouterr().out.strip()

    assert main(["audit", "verify", "--public-key", public], without) == 0
    assert main(["audit", "verify"], without) == 2
    assert main(["audit", "verify", "--public-key", "xyz"], without) == 2
    assert "64 hexadecimal characters" in capsys.readouterr().err
    assert main(["audit", "verify", "--public-key", Signer(new_secret_key()).public_key], without) == 1


def test_a_cut_off_end_shows_by_the_head_alone(
    database: Database, environ: dict[str, str], capsys: Written
) -> None:
    accept(database)
    seal(database)
    accept(database)
    head = seal(database).head
    forge(database, "DELETE FROM audit_seals WHERE number = 2")

    assert main(["audit", "verify"], environ) == 0
    assert main(["audit", "verify", "--head", head], environ) == 1
    assert "seals at the end were removed" in capsys.readouterr().out


def test_an_export_is_lines_of_json_with_the_signed_head_at_last(
    database: Database, environ: dict[str, str], capsys: Written
) -> None:
    job = accept(database).job
    accept(database)
    head = seal(database).head

    assert main(["audit", "export"], environ) == 0
    *rows, last = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["action"] for row in rows] == ["wallet-worker:job_created"] * 2
    assert (last["rows"], last["seal"]["head"]) == (2, head)
    assert main(["audit", "export", "--user", str(job.user_id)], environ) == 0
    (row, last) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (row["job_id"], last["rows"]) == (str(job.id), 1)
    assert main(["audit", "export", "--since", "2100-01-01"], environ) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1
    assert main(["audit", "export", "--until", "2100-01-01T00:00:00"], environ) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


@pytest.mark.parametrize("end", ["", "Z", "z", ".250Z", ".123456Z", "+00:00", "-08:00"])
@pytest.mark.parametrize("between", ["T", " "])
def test_an_export_takes_times_as_the_program_writes_them(
    database: Database, environ: dict[str, str], capsys: Written, between: str, end: str
) -> None:
    accept(database)
    for day, is_past in (("2020-01-31", True), ("2100-01-31", False)):
        moment = f"{day}{between}12:00:00{end}"
        assert main(["audit", "export", "--since", moment], environ) == 0
        assert len(capsys.readouterr().out.splitlines()) == 1 + is_past
        assert main(["audit", "export", "--until", moment], environ) == 0
        assert len(capsys.readouterr().out.splitlines()) == 2 - is_past


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-01-31", datetime(2026, 1, 31, tzinfo=UTC)),
        ("2026-01-31T12:30", datetime(2026, 1, 31, 12, 30, tzinfo=UTC)),
        ("2026-01-31T12:30:00.5", datetime(2026, 1, 31, 12, 30, 0, 500_000, tzinfo=UTC)),
        ("2026-01-31T12:30:00+02:00", datetime(2026, 1, 31, 10, 30, tzinfo=UTC)),
    ],
)
def test_a_time_is_in_utc_unless_it_says_otherwise(text: str, moment: datetime) -> None:
    assert TIME.convert(text, None, None) == moment


@pytest.mark.parametrize(
    "text", ["yesterday", "", "2026-02-30", "20260131", "2026-01-31T12", "0001-01-01T00:00:00+14:00"]
)
@pytest.mark.parametrize("option", ["--since", "--until"])
def test_a_wrong_time_is_told_with_an_example(
    environ: dict[str, str], capsys: Written, option: str, text: str
) -> None:
    assert main(["audit", "export", option, text], environ) == 2
    assert "as in 2026-01-31T12:00:00Z" in capsys.readouterr().err


def test_a_new_key_signs_and_its_public_half_is_told(capsys: Written) -> None:
    assert main(["audit", "key", "--new"], {}) == 0
    written = capsys.readouterr()
    secret = written.out.strip().removeprefix("AUDIT_SIGNING_KEY=")
    assert Signer(secret).public_key in written.err


def test_a_database_without_a_schema_is_not_touched(tmp_path: Path, capsys: Written) -> None:
    environ = {"DATABASE_URL": f"sqlite:///{tmp_path / 'none.db'}", "AUDIT_SIGNING_KEY": SECRET}
    assert main(["audit", "verify"], environ) == 3
    assert "run `wallet-provisioning migrate`" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
