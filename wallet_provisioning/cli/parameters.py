"""How arguments are read: durations and lists of chains."""

from datetime import timedelta

import click

from wallet_provisioning.durations import InvalidDurationError, parse_duration


class DurationType(click.ParamType[timedelta]):
    """A duration such as `500ms` or `60s`."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the duration; a text of another form is a usage error."""
        if isinstance(value, timedelta):
            return value
        try:
            return parse_duration(str(value))
        except InvalidDurationError as error:
            self.fail(str(error), param, ctx)


class ChainsType(click.ParamType[tuple[str, ...]]):
    """Names of chains, separated by commas."""

    name = "chains"

    def convert(
        self,
        value: object,
        param: click.Parameter | None,  # noqa: ARG002 - a base's names are its callers' keywords
        ctx: click.Context | None,  # noqa: ARG002
    ) -> tuple[str, ...]:
        """Return the names as they are written; which of them are served is asked later."""
        if isinstance(value, tuple):
            return value
        return tuple(name.strip() for name in str(value).split(","))


DURATION = DurationType()
CHAINS = ChainsType()
