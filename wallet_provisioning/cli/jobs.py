"""A job as the terminal shows it."""

from wallet_provisioning.cli.output import show_json, show_line, show_table
from wallet_provisioning.http.api.views import job_json
from wallet_provisioning.jobs.addresses import checksummed
from wallet_provisioning.store.views import JobView


def show_job(job: JobView, *, as_json: bool) -> None:
    """Write a job to stdout: the API's JOB, or a line and a table of its wallets."""
    if as_json:
        show_json(job_json(job))
        return
    show_line(f"job {job.id} of user {job.user_id}: {describe(job)}")
    show_table(
        ("chain", "network", "wallet", "address or error"),
        [
            (
                wallet.chain,
                wallet.blockchain or "",
                wallet.status,
                checksummed(wallet.address) if wallet.address else wallet.error_message or "",
            )
            for wallet in job.wallets
        ],
    )


def describe(job: JobView) -> str:
    """Return where a job stands, in one line."""
    attempt = f"attempt {job.attempt_count} of {job.max_attempts}"
    why = f": {job.error_type}, {job.error_message}" if job.error_type else ""
    due = f", next at {job.next_retry_at:%H:%M:%S} UTC" if job.next_retry_at else ""
    return f"{job.status} ({attempt}{due}){why}"
