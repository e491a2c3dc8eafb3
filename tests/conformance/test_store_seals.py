"""The sealed audit against a superuser: whoever changes what was sealed is found out, row by row."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from uuid import uuid4

import pytest
from sqlalchemy import Connection, create_engine, delete, insert, select, text

from tests.support_store import accept, claim, finish
from wallet_provisioning.jobs.moves import cancel, retry_now
from wallet_provisioning.store import moves
from wallet_provisioning.store.audit import write_audit
from wallet_provisioning.store.audit_retention import remove_sealed
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import RowRefusedError
from wallet_provisioning.store.exporting import ExportFilter, export_audit
from wallet_provisioning.store.seals import Seal, count_sealed, last_seal, seal_next
from wallet_provisioning.store.signing import Signer, new_secret_key
from wallet_provisioning.store.tables import audit_logs, audit_seals
from wallet_provisioning.store.texts import dump_document
from wallet_provisioning.store.urls import parse_url
from wallet_provisioning.store.verifying import Verified, verify_audit

SIGNER = Signer(new_secret_key())
NO_TIME = timedelta(seconds=-1)


def seal_all(database: Database, *, limit: int = 5, signer: Signer = SIGNER) -> list[Seal]:
    seals: list[Seal] = []
    while True:
        with database.write("sealer", "seal") as tx:
            seal = seal_next(tx, signer, limit=limit)
        if seal is None:
            return seals
        seals.append(seal)


def verify(database: Database, known_head: str | None = None) -> Verified:
    return verify_audit(database, [SIGNER.public_key], known_head=known_head)


def breach(database: Database, known_head: str | None = None) -> str:
    found = verify(database, known_head).breach
    return "none" if found is None else found.text


def note(database: Database, action: str = "admin:look") -> None:
    with database.write("admin", "look") as tx:
        write_audit(tx, action=action, resource_type="none", resource_id=None, after={"a": [1, 2.5, "ü"]})


def work(database: Database, jobs: int = 2) -> None:
    """Leave an audit of some jobs, from their beginning to their end."""
    for _ in range(jobs):
        accept(database)
        (job,) = claim(database)
        finish(database, job)


def forge(url: str, *statements: str, **values: object) -> None:
    """Run statements as a superuser does who has turned the triggers off."""
    engine = create_engine(parse_url(url))
    with engine.begin() as connection:
        _disarm(connection)
        for statement in statements:
            connection.execute(text(statement), values)
    engine.dispose()


def keep(url: str) -> Callable[[], None]:
    """Keep the audit and its seals as they are; the returned function puts them back."""
    engine = create_engine(parse_url(url), json_serializer=dump_document)
    with engine.connect() as connection:
        kept = {
            table: [dict(row) for row in connection.execute(select(table)).mappings()]
            for table in (audit_logs, audit_seals)
        }

    def restore() -> None:
        with engine.begin() as connection:
            _disarm(connection)
            for table, rows in kept.items():
                connection.execute(delete(table))
                connection.execute(insert(table), rows)
        engine.dispose()

    return restore


def _disarm(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        return
    names = connection.execute(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")).scalars()
    for name in list(names):
        connection.execute(text(f"DROP TRIGGER {name}"))


def ids(database: Database) -> Sequence[str]:
    """Return the audit's ids in their order."""
    with database.read() as connection:
        found = connection.execute(text("SELECT id FROM audit_logs ORDER BY position, id")).scalars()
        return list(found)


def test_a_sealed_audit_is_whole(database: Database) -> None:
    work(database)
    seals = seal_all(database)
    note(database)

    found = verify(database)
    assert found.breach is None
    assert found.rows == sum(seal.row_count for seal in seals) == len(ids(database)) - 1
    assert (found.seals, found.unsealed, found.head) == (len(seals), 1, seals[-1].head)


def test_a_seal_is_of_what_was_added_since_the_last_one(database: Database) -> None:
    note(database)
    (first,) = seal_all(database)
    assert seal_all(database) == []
    note(database)
    (second,) = seal_all(database)

    assert (first.number, second.number) == (1, 2)
    assert second.previous == first.head
    assert (first.row_count, second.row_count) == (1, 1)
    with database.read() as connection:
        assert last_seal(connection) == second
        assert count_sealed(connection) == 2


def test_a_job_that_goes_on_after_it_was_sealed_raises_no_alarm(database: Database) -> None:
    job = accept(database).job
    claim(database)
    with database.write("admin", "cancel") as tx:
        moves.move_by_operator(tx, cancel(job.id, "no more"))
    seal_all(database)
    with database.write("admin", "retry") as tx:
        moves.move_by_operator(tx, retry_now(job.id, "again"))
    (again,) = claim(database)
    finish(database, again)
    seal_all(database)

    assert breach(database) == "none"


FORGERIES = {
    "changed": ("UPDATE audit_logs SET actor = 'nobody' WHERE id = :row", "was changed"),
    "a changed time": (
        "UPDATE audit_logs SET created_at = '2020-01-01T00:00:00.000000Z' WHERE id = :row",
        "was changed",
    ),
    "removed": ("DELETE FROM audit_logs WHERE id = :row", "was removed"),
    "moved to the end": ("UPDATE audit_logs SET position = 1000000000 WHERE id = :row", "was moved"),
    "made unreadable": ("UPDATE audit_logs SET user_id = 'x' WHERE id = :row", "was changed"),
}


def test_a_row_that_a_superuser_touched_is_named(database: Database, database_url: str) -> None:
    work(database)
    seal_all(database)
    restore = keep(database_url)
    for place in (0, 4, 5, -1):
        row = ids(database)[place]
        for statement, what in FORGERIES.values():
            forge(database_url, statement, row=str(row))

            found = verify(database).breach
            assert found is not None
            assert (found.row, found.text) == (row, f"audit row {row} {what} (seal {found.seal})")
            restore()
    assert breach(database) == "none"


def test_a_row_that_was_put_among_sealed_ones_is_named(database: Database, database_url: str) -> None:
    work(database)
    seal_all(database)
    forged = str(uuid4())
    second = ids(database)[1]

    forge(
        database_url,
        "INSERT INTO audit_logs (id, actor, action, resource_type, changes, status, created_at, position) "
        "SELECT :forged, actor, action, resource_type, changes, status, created_at, position "
        "FROM audit_logs WHERE id = :second",
        forged=str(forged),
        second=str(second),
    )

    found = verify(database).breach
    assert found is not None
    assert (found.row, found.seal) == (forged, 1)
    assert "was inserted" in found.text


def test_two_rows_that_changed_places_are_noticed(database: Database, database_url: str) -> None:
    note(database)
    note(database, "admin:second")
    seal_all(database)
    first, _ = ids(database)

    with database.read() as connection:
        places = list(connection.execute(text("SELECT position FROM audit_logs ORDER BY position")).scalars())

    forge(
        database_url,
        "UPDATE audit_logs SET position = CASE id WHEN :first THEN :of_second ELSE :of_first END",
        first=str(first),
        of_first=places[0],
        of_second=places[1],
    )

    assert breach(database) == f"audit row {first} was moved (seal 1)"


SEAL_FORGERIES = {
    "DELETE FROM audit_seals WHERE number = 2": "seal 2 was removed",
    "DELETE FROM audit_seals WHERE number = 1": "seal 1 was removed",
    "UPDATE audit_seals SET row_count = 4 WHERE number = 2": "seal 2 was changed",
    "UPDATE audit_seals SET leaves = '' WHERE number = 2": "seal 2 was changed",
    "UPDATE audit_seals SET signature = root || root WHERE number = 2": "the signature of seal 2 is wrong",
    "UPDATE audit_seals SET previous = root WHERE number = 2": "seal 2 was changed",
    "UPDATE audit_seals SET last_id = 'x' WHERE number = 2": "seal 2 was changed",
}


def test_a_seal_that_a_superuser_touched_is_named(database: Database, database_url: str) -> None:
    work(database)
    seals = seal_all(database)
    assert len(seals) >= 3
    restore = keep(database_url)

    for statement, what in SEAL_FORGERIES.items():
        forge(database_url, statement)
        assert breach(database).startswith(what)
        restore()
    assert breach(database) == "none"


def test_seals_made_anew_with_another_key_are_not_trusted(database: Database, database_url: str) -> None:
    work(database)
    seal_all(database)
    forge(database_url, "DELETE FROM audit_seals", "UPDATE audit_logs SET actor = 'nobody'")
    seal_all(database, signer=Signer(new_secret_key()))

    assert breach(database).startswith("seal 1 is signed with a key that isn't trusted")


def test_a_chain_whose_end_was_cut_off_shows_by_a_head_kept_elsewhere(
    database: Database, database_url: str
) -> None:
    work(database)
    head = seal_all(database)[-1].head
    assert breach(database, head) == "none"

    forge(database_url, "DELETE FROM audit_seals WHERE number = (SELECT max(number) FROM audit_seals)")

    assert breach(database) == "none"
    assert breach(database, head).startswith(f"no seal has the head {head}")


def test_seals_are_never_changed_or_deleted(database: Database) -> None:
    note(database)
    seal_all(database)
    for statement in ("UPDATE audit_seals SET row_count = 0", "DELETE FROM audit_seals"):
        with (
            pytest.raises(RowRefusedError, match="never changed or deleted"),
            database.write("x", "x") as tx,
        ):
            tx.execute(text(statement))


def test_a_transaction_that_ends_late_is_never_overtaken_by_a_seal(database: Database) -> None:
    """Its rows would come in below the seal, and would look like forged ones."""
    if database.dialect == "sqlite":
        return
    with database.write("slow", "slow") as slow:
        write_audit(slow, action="admin:slow", resource_type="none", resource_id=None)
        note(database, "admin:fast")
        assert seal_all(database) == []
    assert [seal.row_count for seal in seal_all(database)] == [2]
    assert breach(database) == "none"


def test_only_one_daemon_seals_at_a_time(database: Database) -> None:
    if database.dialect == "sqlite":
        return
    note(database)
    with database.write("sealer", "first") as first:
        assert seal_next(first, SIGNER) is not None
        with database.write("sealer", "second") as second:
            assert seal_next(second, SIGNER) is None
    assert breach(database) == "none"


def test_the_retention_removes_whole_seals_and_the_chain_stays_whole(database: Database) -> None:
    work(database)
    count = len(seal_all(database))
    before = len(ids(database))
    with database.write("sweeper", "sweep") as tx:
        assert remove_sealed(tx, SIGNER, keep=timedelta(days=1)) == 0
    with database.write("sweeper", "sweep") as tx:
        assert remove_sealed(tx, SIGNER, keep=NO_TIME) == 5
    assert len(ids(database)) == before - 5 + 1

    found = verify(database)
    assert (found.breach, found.removed, found.unsealed) == (None, 1, 1)
    seal_all(database)
    found = verify(database)
    assert (found.breach, found.removed) == (None, 1)
    assert found.seals == count + 1


def test_rows_that_go_without_a_signed_statement_are_a_breach(database: Database) -> None:
    work(database)
    seal_all(database)
    first = ids(database)[0]
    with database.write("sweeper", "sweep") as tx:
        remove_sealed(tx, Signer(new_secret_key()), keep=NO_TIME)

    assert breach(database) == f"audit row {first} was removed (seal 1)"


def test_rows_put_where_the_retention_removed_some_are_named(database: Database, database_url: str) -> None:
    work(database)
    seal_all(database)
    with database.write("sweeper", "sweep") as tx:
        remove_sealed(tx, SIGNER, keep=NO_TIME)
    forged = str(uuid4())
    forge(
        database_url,
        "INSERT INTO audit_logs (id, actor, action, resource_type, changes, status, created_at, position) "
        "SELECT :forged, actor, action, resource_type, changes, status, created_at, 1 "
        "FROM audit_logs LIMIT 1",
        forged=str(forged),
    )

    found = verify(database).breach
    assert found is not None
    assert found.row == forged


def test_an_export_ends_with_the_signed_head(database: Database) -> None:
    work(database)
    user = accept(database).job.user_id
    head = seal_all(database)[-1].head

    lines = list(export_audit(database, ExportFilter()))
    assert len(lines) == len(ids(database)) + 1
    assert head in lines[-1]
    mine = list(export_audit(database, ExportFilter(user_id=user)))
    assert [str(user) in line for line in mine] == [True, False]
