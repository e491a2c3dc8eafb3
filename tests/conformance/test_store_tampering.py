"""What a superuser, or a role that may write rows, tries against the sealed audit: nothing of it passes."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from tests.conformance.test_store_seals import SIGNER, forge, ids, keep, note, seal_all, verify, work
from tests.support_store import accept, claim, finish, request
from wallet_provisioning.store.audit import write_audit
from wallet_provisioning.store.audit_retention import AUDIT_RETENTION
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.errors import RowRefusedError, SchemaTooOldError, StoreUnusableError
from wallet_provisioning.store.exporting import ExportFilter, export_audit
from wallet_provisioning.store.retention import RETENTION
from wallet_provisioning.store.schema import migrate, require_current
from wallet_provisioning.store.trail import canonical
from wallet_provisioning.store.verifying import Breach

INSERT = (
    "INSERT INTO audit_logs (id, actor, action, resource_type, changes, status, created_at, position) "
    "SELECT :id, actor, {action}, resource_type, {changes}, status, created_at, {position} "
    "FROM audit_logs WHERE id = :row"
)
EVERYWHERE = (
    "id = upper(id)",
    "id = replace(id, '-', '')",
    "id = 'nope'",
    "user_id = upper(user_id)",
    "user_id = replace(user_id, '-', '')",
    "job_id = upper(job_id)",
    "resource_id = upper(resource_id)",
    "actor = actor || ' '",
    "changes = '{}'",
    "changes = '[1]'",
    "changes = 'null'",
)
ON_POSTGRESQL = ("created_at = 'infinity'", "created_at = '0044-03-15 BC'")
# Each says to SQLite, or to a reader, what the sealed row says, or can't be read at all.
ON_SQLITE = (
    "user_id = '{' || user_id || '}'",
    "user_id = 'urn:uuid:' || user_id",
    "created_at = replace(created_at, 'Z', '+00:00')",
    "created_at = replace(created_at, 'T', ' ')",
    "changes = changes || '   '",
    """changes = '{"after":{"address":"0xattacker"},' || substr(changes, 2)""",
    r"""changes = '{"after":"\ud800"}'""",
    "changes = 'NaN'",
    "changes = 'nope'",
    "changes = x'fffe'",
    "changes = CAST(x'22ff22' AS text)",
    "changes = replace(hex(zeroblob(5000)), '0', '[') || replace(hex(zeroblob(5000)), '0', ']')",
    "actor = CAST(actor AS blob)",
    "actor = CAST(x'ff' AS text)",
    "epoch = 1.5",
    "position = position + 0.5",
    "position = 'abc'",
)
SEAL_2 = (
    "first_id = upper(first_id)",
    "last_id = upper(last_id)",
    "root = upper(root)",
    "head = upper(head)",
    "public_key = upper(public_key)",
)
SEAL_2_ON_SQLITE = (
    "sealed_at = replace(sealed_at, 'Z', '+00:00')",
    "sealed_at = 'x'",
    "leaves = 'x'",
    "row_count = 'x'",
    "last_position = 'x'",
    "signature = x'00'",
    "head = x'00'",
)
SEAL_2_ON_POSTGRESQL = ("sealed_at = 'infinity'", "sealed_at = '0044-03-15 BC'")


# What a database says that came from another server.
ELSEWHERE = (
    "CREATE OR REPLACE FUNCTION audit_server() RETURNS text LANGUAGE sql IMMUTABLE "
    "AS 'SELECT CAST(''1'' AS text)'"
)


def found(database: Database) -> Breach:
    breach = verify(database).breach
    assert breach is not None
    return breach


def test_a_value_that_is_written_in_another_way_is_a_breach_that_names_the_row(
    database: Database, database_url: str
) -> None:
    work(database)
    seal_all(database)
    restore = keep(database_url)
    rows = set(ids(database))
    row = ids(database)[4]
    for change in EVERYWHERE + (ON_SQLITE if database.dialect == "sqlite" else ON_POSTGRESQL):
        forge(database_url, f"UPDATE audit_logs SET {change} WHERE id = :row", row=row)  # noqa: S608 - our own words

        breach = found(database)
        (now,) = set(ids(database)) - (rows - {row})
        assert breach.row in {row, now}, change
        assert list(export_audit(database, ExportFilter()))
        restore()
    assert verify(database).breach is None


def test_a_number_that_is_written_in_another_way_is_a_breach(database: Database, database_url: str) -> None:
    note(database)
    seal_all(database)
    (row,) = ids(database)
    changes = "replace(CAST(changes AS text), '2.5', '2.50')"
    if database.dialect == "postgresql":
        changes = f"CAST({changes} AS jsonb)"
    forge(database_url, f"UPDATE audit_logs SET changes = {changes}")  # noqa: S608 - our own words

    assert found(database).row == row


def test_a_seal_that_is_written_in_another_way_is_named(database: Database, database_url: str) -> None:
    work(database)
    seal_all(database)
    restore = keep(database_url)
    more = SEAL_2_ON_SQLITE if database.dialect == "sqlite" else SEAL_2_ON_POSTGRESQL
    for change in (*SEAL_2, *more):
        forge(database_url, f"UPDATE audit_seals SET {change} WHERE number = 2")  # noqa: S608 - our own words
        assert found(database).text == "seal 2 was changed", change
        restore()
    forge(database_url, "UPDATE audit_seals SET signature = upper(signature) WHERE number = 2")
    assert found(database).text == "the signature of seal 2 is wrong"


@pytest.mark.parametrize("number", [0, -1, -5])
def test_a_seal_before_the_first_one_is_a_breach(database: Database, database_url: str, number: int) -> None:
    work(database)
    seal_all(database)
    forge(database_url, "UPDATE audit_seals SET number = :number WHERE number = 3", number=number)
    assert found(database).text == f"seal {number} was inserted"


@pytest.mark.parametrize("place", [-5, -2, -1, 0, 1])
@pytest.mark.parametrize(
    "name", ["00000000-0000-0000-0000-000000000000", "ffffffff-0000-4000-8000-000000000000"]
)
def test_a_row_that_is_inserted_before_all_others_is_a_breach(
    database: Database, database_url: str, place: int, name: str
) -> None:
    work(database)
    seal_all(database)
    forge(
        database_url,
        INSERT.format(action="action", changes="changes", position=place),
        id=name,
        row=ids(database)[4],
    )
    assert found(database).row == name


def test_a_statement_of_another_database_with_the_same_key_excuses_nothing(
    database: Database, database_url: str
) -> None:
    work(database)
    seal_all(database)
    first = ids(database)[0]
    said = {"through_seal": 1, "head": "ab" * 32, "cut_off": "2999-01-01T00:00:00.000000Z"}
    after = {**said, "public_key": SIGNER.public_key, "signature": SIGNER.sign(canonical(said))}
    with database.write("sweeper", "x") as tx:
        write_audit(tx, action=AUDIT_RETENTION, resource_type="audit", resource_id="1", after=after)
    assert "isn't signed for this chain" in found(database).text
    forge(
        database_url,
        "DELETE FROM audit_logs WHERE position <= (SELECT last_position FROM audit_seals WHERE number = 1) "
        "AND id <= (SELECT last_id FROM audit_seals WHERE number = 1)",
    )

    assert found(database).text == f"audit row {first} was removed (seal 1)"


@pytest.mark.parametrize(
    "changes",
    ["{}", "[]", "null", '{"after":"x"}', '{"after":null}', '{"after":{"through_seal":1,"signature":2}}'],
)
def test_a_false_statement_of_the_retention_is_named_and_excuses_nothing(
    database: Database, database_url: str, changes: str
) -> None:
    work(database)
    seal_all(database)
    forged = str(uuid4())
    values = {"id": forged, "row": ids(database)[-1], "changes": changes}
    cast = ":changes" if database.dialect == "sqlite" else "CAST(:changes AS jsonb)"
    position = "(SELECT max(position) FROM audit_logs)"
    if database.dialect == "sqlite":
        position = f"1 + {position}"
    first = ids(database)[0]
    forge(
        database_url,
        INSERT.format(action=f"'{AUDIT_RETENTION}'", changes=cast, position=position).replace(
            ":id", "'ffffffff' || substr(:id, 9)"
        ),
        **values,
    )
    named = "ffffffff" + forged[8:]

    breach = found(database)
    assert breach.row == named
    assert "isn't signed for this chain" in breach.text
    forge(database_url, "DELETE FROM audit_logs WHERE id = :row", row=first)
    assert found(database).text == f"audit row {first} was removed (seal 1)"


def test_a_row_of_any_form_is_sealed_and_stands_as_it_was_sealed(database: Database) -> None:
    """Whoever may write rows can't stop the sealer by one that can't be read."""
    note(database)
    values = {"user_id": "NOBODY", "job_id": "x", "id": "no id"}
    with database.write("hand", "x") as tx:
        tx.execute(
            text(
                "INSERT INTO audit_logs (id, user_id, job_id, actor, action, resource_type, changes, status, "
                "created_at) SELECT :id, :user_id, :job_id, actor, action, resource_type, '[1.50]', status, "
                "created_at FROM audit_logs LIMIT 1"
            ),
            values,
        )
    (seal,) = seal_all(database)
    note(database)
    seal_all(database)

    assert seal.row_count == 2
    assert verify(database).breach is None
    assert len(list(export_audit(database, ExportFilter()))) == 4


def test_audit_rows_go_only_as_their_own_row_says(database: Database) -> None:
    if database.dialect == "sqlite":
        return
    work(database)
    (one, *_) = seal_all(database)
    heads = {"through_seal": one.number, "head": one.head, "cut_off": "2999-01-01T00:00:00.000000Z"}
    first = f"DELETE FROM audit_logs WHERE id = '{one.first_id}'"  # noqa: S608 - our own words
    beyond = f"DELETE FROM audit_logs WHERE position > {one.last_position}"  # noqa: S608 - our own words
    for after, statement in (
        (None, "DELETE FROM audit_logs"),
        ({}, "DELETE FROM audit_logs"),
        ({**heads, "head": "0" * 64}, first),
        ({**heads, "cut_off": "2000"}, first),
        (heads, beyond),
        (heads, "DELETE FROM audit_logs"),
    ):
        with pytest.raises(RowRefusedError, match="never changed or deleted"):
            _delete(database, statement, action=AUDIT_RETENTION, resource_type="audit", after=after)
    assert verify(database).breach is None

    # Whoever may do what the daemon may can say this much. It isn't signed.
    _delete(database, first, action=AUDIT_RETENTION, resource_type="audit", after=heads)
    assert found(database).text == f"audit row {one.first_id} was removed (seal 1)"


def test_jobs_go_only_when_their_audit_row_names_them(database: Database) -> None:
    if database.dialect == "sqlite":
        return
    user = uuid4()
    gone = [str(_ended(database, user, chain)) for chain in ("ETH", "SOL")]
    latest = str(_ended(database, user, "APTOS"))
    alone = str(accept(database).job.id)
    everything = "DELETE FROM wallet_provisioning_jobs"
    for before, statement in (
        (None, everything),
        ({}, everything),
        ({"deleted": "x"}, everything),
        ({"deleted": gone}, everything),
        ({"deleted": gone[:1]}, f"{everything} WHERE id = '{gone[1]}'"),
        ({"deleted": [alone]}, f"{everything} WHERE id = '{alone}'"),
        ({"deleted": [*gone, latest]}, f"{everything} WHERE user_id = '{user}'"),
    ):
        with pytest.raises(RowRefusedError, match="deleted by the retention only"):
            _delete(database, statement, action=RETENTION, resource_type="job", before=before)
    one = f"{everything} WHERE id = '{gone[0]}'"
    _delete(database, one, action=RETENTION, resource_type="job", before={"deleted": gone})


def _delete(database: Database, statement: str, **said: Any) -> None:
    """Write an audit row and then delete, as who has the daemon's rights may."""
    with database.write("hand", "delete") as tx:
        write_audit(tx, resource_id=None, **said)
        tx.execute(text(statement))


def _ended(database: Database, user: UUID, chain: str) -> UUID:
    job = accept(database, request(user, (chain,))).job
    (held,) = claim(database)
    finish(database, held)
    return job.id


@pytest.mark.parametrize("position", [9_000_000_000_000_000, 2**63 - 1])
def test_a_row_ahead_of_the_counter_stops_nobody_and_is_a_breach(database: Database, position: int) -> None:
    if database.dialect == "sqlite":
        return
    note(database)
    (row,) = ids(database)
    forged = str(uuid4())
    with database.write("hand", "x") as tx:
        statement = INSERT.format(action="action", changes="changes", position=position)
        tx.execute(text(statement), {"id": forged, "row": row})

    require_current(database)
    migrate(database.url)
    note(database)
    assert [seal.row_count for seal in seal_all(database)] == [2]
    assert found(database).row == forged
    assert "the database never gave its position" in found(database).text


def test_a_row_that_leaves_no_room_above_it_is_told_by_migrate(database: Database) -> None:
    """On another server nobody can say which rows are true; but there is no such counter."""
    if database.dialect == "sqlite":
        return
    note(database)
    with database.write("hand", "x") as tx:
        statement = INSERT.format(action="action", changes="changes", position=2**63 - 1)
        tx.execute(text(statement), {"id": str(uuid4()), "row": ids(database)[0]})
        tx.execute(text(ELSEWHERE))
    with pytest.raises(SchemaTooOldError, match="restored from a dump"):
        require_current(database)
    with pytest.raises(StoreUnusableError, match=f"position {2**63 - 1}, which no server ever gives"):
        migrate(database.url)
