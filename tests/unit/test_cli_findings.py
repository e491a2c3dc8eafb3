"""What `check` makes of several findings."""

import pytest

from wallet_provisioning.cli.exits import ExitCode
from wallet_provisioning.cli.findings import Finding, worst

DONE, FAILED, WRONG, UNREACHABLE = (
    ExitCode.DONE,
    ExitCode.FAILED,
    ExitCode.WRONG,
    ExitCode.UNREACHABLE,
)


@pytest.mark.parametrize(
    ("codes", "together"),
    [
        ([], DONE),
        ([DONE, DONE], DONE),
        ([DONE, FAILED], FAILED),
        ([FAILED, UNREACHABLE], UNREACHABLE),
        ([UNREACHABLE, WRONG, FAILED], WRONG),
    ],
)
def test_the_cause_that_explains_the_others_decides(codes: list[ExitCode], together: ExitCode) -> None:
    assert worst(Finding(name="x", detail="", code=code) for code in codes) is together


def test_each_finding_says_in_one_word_how_it_is() -> None:
    words = [Finding(name="x", detail="", code=code).word for code in (DONE, FAILED, WRONG, UNREACHABLE)]
    assert words == ["ok", "failed", "wrong", "unreachable"]
