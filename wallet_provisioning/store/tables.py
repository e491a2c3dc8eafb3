"""The tables. Names and columns of the contract are fixed; users' SQL reads them.

The migrations don't import this module, since they are frozen in time; a test compares the two.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    FetchedValue,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    text,
)

from wallet_provisioning.store.columns import Document, Id, Time, Words

metadata = MetaData()

# Conditions of the partial indexes. SQLite uses such an index only for a query that says the very same,
# so queries say it with these.
UNFINISHED = text("status IN ('queued', 'in_progress', 'retry')")
CLAIMABLE = text("status IN ('queued', 'retry')")
HELD = text("status = 'in_progress'")
NOT_LIVE = text("status <> 'live'")
IN_TROUBLE = text("status IN ('retry', 'failed', 'cancelled')")
HAS_ERROR = text("error_type IS NOT NULL")
NO_SUCCESS = text("status <> 'success'")
# What every job that goes well writes: an index without it costs such a job nothing.
ROUTINE_ACTIONS = (
    "wallet-worker:job_created",
    "wallet-worker:provision_start",
    "wallet-worker:wallet_created",
    "wallet-worker:provision_complete",
)
NOT_ROUTINE = text("action NOT IN ({})".format(", ".join(f"'{action}'" for action in ROUTINE_ACTIONS)))

# Every index costs each write; ARCHITECTURE.md says which query needs which.

jobs = Table(
    "wallet_provisioning_jobs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_id", Id, nullable=False),
    Column("chains", Document, nullable=False),
    Column("status", String(16), nullable=False),
    Column("attempt_count", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    Column("crash_count", Integer, nullable=False),
    Column("error_type", String(32)),
    Column("error_message", Words),
    Column("next_retry_at", Time),
    Column("due_at", Time),
    Column("lease_until", Time),
    Column("lease_holder", Id),
    Column("epoch", Integer, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("source", String(16), nullable=False),
    Column("traceparent", Words),
    Column("trace_id", Words),
    Column("created_at", Time, nullable=False),
    Column("claimed_at", Time),
    Column("started_at", Time),
    Column("completed_at", Time),
    Column("updated_at", Time, nullable=False),
    CheckConstraint(
        "status IN ('queued', 'in_progress', 'retry', 'completed', 'failed', 'cancelled')",
        name="ck_jobs_status",
    ),
)
Index("uq_jobs_unfinished", jobs.c.user_id, unique=True, postgresql_where=UNFINISHED, sqlite_where=UNFINISHED)
Index("ix_jobs_due", jobs.c.due_at, jobs.c.id, postgresql_where=CLAIMABLE, sqlite_where=CLAIMABLE)
Index(
    "ix_jobs_lease",
    jobs.c.lease_until,
    postgresql_where=HELD,
    sqlite_where=HELD,
)
Index("ix_jobs_trouble", jobs.c.status, jobs.c.id, postgresql_where=IN_TROUBLE, sqlite_where=IN_TROUBLE)
Index("ix_jobs_error", jobs.c.error_type, jobs.c.id, postgresql_where=HAS_ERROR, sqlite_where=HAS_ERROR)
Index("ix_jobs_user", jobs.c.user_id, jobs.c.id)

request_keys = Table(
    "request_keys",
    metadata,
    Column("kind", String(16), primary_key=True),
    Column("value", Words, primary_key=True),
    Column(
        "job_id",
        Id,
        ForeignKey("wallet_provisioning_jobs.id", deferrable=True, initially="DEFERRED"),
        nullable=False,
    ),
    Column("created_at", Time, nullable=False),
)
Index("ix_request_keys_job", request_keys.c.job_id)

circle_requests = Table(
    "circle_requests",
    metadata,
    Column("id", Id, primary_key=True),
    Column("idempotency_key", Id, nullable=False),
    Column("chain", Words, nullable=False),
    Column("blockchain", String(32), nullable=False),
    Column("wallet_set_id", Id, nullable=False),
    Column("account_type", String(8), nullable=False),
    Column("members", Document, nullable=False),
    Column("first_sent_at", Time, nullable=False),
    Column("state", String(16), nullable=False),
    Column("ambiguous", Boolean, nullable=False),
    Column("certain", Boolean, nullable=False),
    Column("refusal", Words),
    UniqueConstraint("idempotency_key", name="uq_requests_key"),
    CheckConstraint("state IN ('unresolved', 'resolved', 'refused')", name="ck_requests_state"),
)

wallets = Table(
    "managed_wallets",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_id", Id, nullable=False),
    Column("chain", Words, nullable=False),
    Column("blockchain", String(32)),
    Column("address", Words),
    Column("circle_wallet_id", Id),
    Column("wallet_set_id", Id),
    Column("account_type", String(8)),
    Column("status", String(16), nullable=False),
    Column("error_type", String(32)),
    Column("error_message", Words),
    Column("ref_id", Words),
    Column("generation", Integer, nullable=False),
    # No reference: checking it costs as much as the write, and only `request_rows` writes it.
    Column("request_id", Id),
    Column("position", Integer),
    Column("alone", Boolean, nullable=False),
    Column("job_id", Id),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
    UniqueConstraint("user_id", "chain", name="uq_wallets_user_chain"),
    UniqueConstraint("circle_wallet_id", name="uq_wallets_circle_wallet"),
    CheckConstraint("status IN ('creating', 'live', 'failed')", name="ck_wallets_status"),
)
Index("ix_wallets_not_live", wallets.c.status, wallets.c.id, postgresql_where=NOT_LIVE, sqlite_where=NOT_LIVE)
Index(
    "ix_wallets_error", wallets.c.error_type, wallets.c.id, postgresql_where=HAS_ERROR, sqlite_where=HAS_ERROR
)

wallet_sets = Table(
    "wallet_sets",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Words, nullable=False),
    Column("circle_wallet_set_id", Id, nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
    UniqueConstraint("circle_wallet_set_id", name="uq_wallet_sets_circle"),
    CheckConstraint("status IN ('active', 'inactive')", name="ck_wallet_sets_status"),
)

kyc_submissions = Table(
    "kyc_submissions",
    metadata,
    Column("provider_ref", Words, primary_key=True),
    Column("user_id", Id, nullable=False),
    Column("status", String(16), nullable=False),
    Column("rejection_reasons", Document, nullable=False),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
    CheckConstraint(
        "status IN ('pending', 'processing', 'approved', 'rejected', 'expired')", name="ck_kyc_status"
    ),
)

audit_logs = Table(
    "audit_logs",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_id", Id),
    Column("actor", Words, nullable=False),
    Column("action", Words, nullable=False),
    Column("resource_type", String(32), nullable=False),
    Column("resource_id", Words),
    Column("changes", Document, nullable=False),
    Column("status", String(16), nullable=False),
    Column("error_message", Words),
    Column("created_at", Time, nullable=False),
    Column("trace_id", Words),
    Column("job_id", Id),
    Column("epoch", Integer),
    # The database numbers the rows by itself: nobody writes this.
    Column("position", BigInteger, nullable=False, server_default=FetchedValue()),
    CheckConstraint("status IN ('success', 'failed', 'retry_scheduled')", name="ck_audit_status"),
)
# Without the id, so that PostgreSQL keeps a user's or job's rows under one entry: a third of the size.
Index("ix_audit_of_user", audit_logs.c.user_id)
Index("ix_audit_of_job", audit_logs.c.job_id)
Index("ix_audit_position", audit_logs.c.position)
Index(
    "ix_audit_action",
    audit_logs.c.action,
    audit_logs.c.id,
    postgresql_where=NOT_ROUTINE,
    sqlite_where=NOT_ROUTINE,
)
Index(
    "ix_audit_status",
    audit_logs.c.status,
    audit_logs.c.id,
    postgresql_where=NO_SUCCESS,
    sqlite_where=NO_SUCCESS,
)

audit_seals = Table(
    "audit_seals",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("previous", String(64), nullable=False),
    Column("row_count", Integer, nullable=False),
    Column("first_id", Id, nullable=False),
    Column("last_id", Id, nullable=False),
    Column("last_position", BigInteger, nullable=False),
    Column("leaves", LargeBinary, nullable=False),
    Column("root", String(64), nullable=False),
    Column("sealed_at", Time, nullable=False),
    Column("public_key", String(64), nullable=False),
    Column("head", String(64), nullable=False),
    Column("signature", String(128), nullable=False),
)

schema_compatibility = Table(
    "schema_compatibility",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("oldest_program", String(32), nullable=False),
    CheckConstraint("id = 1", name="ck_compatibility_single"),
)

deployment = Table(
    "deployment",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("environment", String(16), nullable=False),
    Column("wallet_set_id", Id),
    Column("created_at", Time, nullable=False),
    CheckConstraint("id = 1", name="ck_deployment_single"),
)

job_totals = Table(
    "job_totals",
    metadata,
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("succeeded", BigInteger, nullable=False),
    Column("failed", BigInteger, nullable=False),
    Column("retried", BigInteger, nullable=False),
    Column("timed", BigInteger, nullable=False),
    Column("duration_us", BigInteger, nullable=False),
    Column("last_processed_at", Time, nullable=False),
)

job_error_totals = Table(
    "job_error_totals",
    metadata,
    Column("shard", Integer, primary_key=True, autoincrement=False),
    Column("error_type", String(32), primary_key=True),
    Column("count", BigInteger, nullable=False),
)

# What commits counted and nobody has added to the totals yet, on PostgreSQL; `folding` says how.
job_counts = Table(
    "job_counts",
    metadata,
    # The database fills in which transaction wrote the row, and numbers it.
    Column(
        "transaction_id", BigInteger, primary_key=True, autoincrement=False, server_default=FetchedValue()
    ),
    Column("number", BigInteger, Identity(), primary_key=True),
    Column("counted", String(32), nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("timed", BigInteger, nullable=False),
    Column("duration_us", BigInteger, nullable=False),
    Column("counted_at", Time, nullable=False),
)

job_counts_folded = Table(
    "job_counts_folded",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("up_to", Words, nullable=False),
    CheckConstraint("id = 1", name="ck_folded_single"),
)

controls = Table(
    "controls",
    metadata,
    Column("kind", String(48), primary_key=True),
    Column("subject", String(64), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("reason", Words, nullable=False),
    Column("placed_by", Words, nullable=False),
    Column("placed_at", Time, nullable=False),
    Column("until", Time),
    CheckConstraint("state IN ('open', 'closed', 'paused', 'held')", name="ck_controls_state"),
)

daemons = Table(
    "daemons",
    metadata,
    Column("boot_id", Id, primary_key=True),
    Column("version", String(32), nullable=False),
    Column("environment", String(16), nullable=False),
    Column("hostname", Words, nullable=False),
    Column("started_at", Time, nullable=False),
    Column("seen_at", Time, nullable=False),
)

reconciliation = Table(
    "reconciliation",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("holder", Id),
    Column("lease_until", Time),
    Column("started_at", Time),
    Column("finished_at", Time),
    Column("findings", Document),
    CheckConstraint("id = 1", name="ck_reconciliation_single"),
)

reconciliation_seen = Table(
    "reconciliation_seen",
    metadata,
    Column("circle_wallet_id", Id, primary_key=True),
)

reconciliation_strays = Table(
    "reconciliation_strays",
    metadata,
    Column("circle_wallet_id", Id, primary_key=True),
    Column("ref_id", Words, nullable=False),
    Column("blockchain", String(32), nullable=False),
    Column("account_type", String(8), nullable=False),
    Column("address", Words, nullable=False),
    Column("wallet_set_id", Id, nullable=False),
    Column("state", String(16), nullable=False),
    Column("circle_created_at", Time, nullable=False),
    Column("user_id", Id),
    Column("chain", Words),
    Column("name", Words, nullable=False),
)
Index(
    "ix_strays_reference",
    reconciliation_strays.c.ref_id,
    reconciliation_strays.c.blockchain,
    reconciliation_strays.c.circle_created_at,
    reconciliation_strays.c.circle_wallet_id,
)

unclaimed_wallets = Table(
    "unclaimed_wallets",
    metadata,
    Column("circle_wallet_id", Id, primary_key=True),
    Column("ref_id", Words, nullable=False),
    Column("blockchain", String(32), nullable=False),
    Column("account_type", String(8), nullable=False),
    Column("address", Words, nullable=False),
    Column("wallet_set_id", Id, nullable=False),
    Column("state", String(16), nullable=False),
    Column("circle_created_at", Time, nullable=False),
    Column("user_id", Id),
    Column("chain", Words),
    Column("found_at", Time, nullable=False),
)
Index("ix_unclaimed_reference", unclaimed_wallets.c.ref_id)
