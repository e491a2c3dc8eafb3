"""`provision`: accepts one job through the store, and follows it if asked to."""

from collections.abc import Mapping
from datetime import timedelta
from threading import Event
from typing import assert_never
from uuid import UUID

import click

from wallet_provisioning.cli.exits import CommandError, ExitCode
from wallet_provisioning.cli.following import Watch, follow
from wallet_provisioning.cli.jobs import describe, show_job
from wallet_provisioning.cli.opening import open_store
from wallet_provisioning.cli.output import console, say
from wallet_provisioning.cli.parameters import CHAINS, DURATION
from wallet_provisioning.clock import SystemClock
from wallet_provisioning.durations import format_duration
from wallet_provisioning.jobs.chains import Environment, Served, UnknownChainError
from wallet_provisioning.jobs.states import JobStatus
from wallet_provisioning.settings import StoreSettings
from wallet_provisioning.store.acceptance import accept
from wallet_provisioning.store.accepting import Accepted, JobRequest
from wallet_provisioning.store.database import Database
from wallet_provisioning.store.reports import get_job
from wallet_provisioning.store.stamp import read_stamp, require_environment
from wallet_provisioning.store.views import JobView
from wallet_provisioning.telemetry.traces import new_traceparent


@click.command()
@click.argument("user_id", type=click.UUID)
@click.option("--chains", type=CHAINS, metavar="ETH,SOL", help="Chains; without it all of WORKER_CHAINS.")
@click.option(
    "--wait", is_flag=True, help="Follow the job to its end: exit 0 completed, 1 failed, 3 too late."
)
@click.option("--timeout", type=DURATION, default="60s", show_default=True, help="How long --wait waits.")
@click.option("--json", "as_json", is_flag=True, help="Write the API's JOB.")
@click.pass_obj
def provision(
    environ: Mapping[str, str],
    *,
    user_id: UUID,
    chains: tuple[str, ...] | None,
    wait: bool,
    timeout: timedelta,
    as_json: bool,
) -> int:
    """Ask for the wallets of one user. A daemon on the same database makes them."""
    settings = StoreSettings.load(environ)
    say(*(notice.text for notice in settings.notices))
    with open_store(settings) as database:
        accepted = _accept(database, settings, user_id, chains)
        say(_tell_acceptance(accepted))
        job = _follow(database, accepted.job, timeout) if wait else accepted.job
    show_job(job, as_json=as_json)
    return _judge(job, timeout) if wait else ExitCode.DONE


def _accept(
    database: Database, settings: StoreSettings, user_id: UUID, chains: tuple[str, ...] | None
) -> Accepted:
    names = _select_chains(database, settings, chains)
    request = JobRequest(
        user_id=user_id,
        chains=names,
        source="cli",
        max_attempts=settings.max_attempts,
        traceparent=new_traceparent(),
    )
    return accept(database, request, actor="cli", reason="provision")


def _select_chains(
    database: Database, settings: StoreSettings, chains: tuple[str, ...] | None
) -> tuple[str, ...]:
    """Return the served names of the chains asked for.

    Without a key of its own the command goes by the environment that the database is stamped for; a key
    of another environment is refused.
    """
    with database.read() as connection:
        stamp = read_stamp(connection)
    environment = settings.environment if stamp is None else Environment(stamp.environment)
    if stamp is not None and settings.circle_api_key is not None:
        require_environment(stamp, settings.environment)
    try:
        return Served(settings.chains, environment).select(chains)
    except UnknownChainError as error:
        raise CommandError(ExitCode.WRONG, str(error)) from error


def _tell_acceptance(accepted: Accepted) -> str:
    if accepted.created:
        return "accepted"
    if accepted.merged:
        return f"the user's unfinished job goes on, now with {', '.join(accepted.merged)} too"
    return "nothing new to do: this is the user's job already"


def _follow(database: Database, job: JobView, timeout: timedelta) -> JobView:
    never = Event()

    def look() -> JobView:
        with database.read() as connection:
            return get_job(connection, job.id) or job

    with console(stderr=True).status(describe(job)) as line:
        watch = Watch(
            look=look,
            clock=SystemClock(),
            pause=lambda length: never.wait(length.total_seconds()),
            tell=lambda seen: line.update(describe(seen)),
        )
        return follow(job, watch, timeout=timeout)


def _judge(job: JobView, timeout: timedelta) -> ExitCode:
    """Return how the wait ended, and say what can be done where the time is over."""
    match job.status:
        case JobStatus.COMPLETED:
            return ExitCode.DONE
        case JobStatus.FAILED | JobStatus.CANCELLED:
            return ExitCode.FAILED
        case JobStatus.QUEUED | JobStatus.IN_PROGRESS | JobStatus.RETRY:
            say(f"not done after {format_duration(timeout)}; the job goes on by itself. {_guess_why(job)}")
            return ExitCode.UNREACHABLE
    assert_never(job.status)


def _guess_why(job: JobView) -> str:
    if job.status is JobStatus.QUEUED and job.attempt_count == 0:
        return "No daemon has taken it: is one running on this database?"
    return "A daemon is at work on it."
