"""`check`: looks at settings, database, Redis and Circle, a line each, and changes nothing."""

from collections.abc import Iterator, Mapping

import click

from wallet_provisioning.cli.exits import ExitCode
from wallet_provisioning.cli.findings import Finding, worst
from wallet_provisioning.cli.output import say, show_json, show_line
from wallet_provisioning.cli.probes import probe_circle, probe_database, probe_redis
from wallet_provisioning.settings import Settings, SettingsError


@click.command()
@click.option("--sandbox", is_flag=True, help="Check for `daemon --sandbox`.")
@click.option("--json", "as_json", is_flag=True, help="Write a list of objects.")
@click.pass_obj
def check(environ: Mapping[str, str], *, sandbox: bool, as_json: bool) -> int:
    """Validate the settings and reach database, Redis and Circle, a line each.

    Exit code: 0 all is well, 1 something answered but is wrong, 2 settings, 3 out of reach.
    """
    findings = list(_look(environ, sandbox=sandbox))
    if as_json:
        show_json([{"name": found.name, "state": found.word, "detail": found.detail} for found in findings])
    else:
        show_line(*(f"{found.name:<9} {found.word:<12} {found.detail}" for found in findings))
    return worst(findings)


def _look(environ: Mapping[str, str], *, sandbox: bool) -> Iterator[Finding]:
    """Find one thing after the other; wrong settings leave nothing to look at."""
    try:
        settings = Settings.load(environ, sandbox=sandbox)
    except SettingsError as error:
        yield from (Finding(name="settings", detail=line, code=ExitCode.WRONG) for line in error.lines)
        return
    say(*(notice.text for notice in settings.notices if notice.level == "warning"))
    chains = ", ".join(chain.blockchain for chain in settings.served)
    yield Finding(name="settings", detail=f"{settings.environment} environment, chains {chains}")
    yield probe_database(settings)
    yield probe_redis(settings)
    yield probe_circle(settings)
