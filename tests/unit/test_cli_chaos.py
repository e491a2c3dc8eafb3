"""`chaos`: what it takes, and what it refuses before anything is started."""

import pytest

from wallet_provisioning.cli import main


def test_it_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chaos", "--help"], {}) == 0
    told = capsys.readouterr().out
    assert all(name in told for name in ("--minutes", "--seed", "--rate", "--json", "Ctrl-C"))


@pytest.mark.parametrize(
    "options",
    [["--minutes", "0"], ["--minutes", "long"], ["--seed", "-1"], ["--rate", "0"], ["--loud"], ["now"]],
)
def test_wrong_usage_starts_nothing(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["chaos", *options], {}) == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert "seed " not in written.err
