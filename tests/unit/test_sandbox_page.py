"""The page on the sandbox and the command's help name what there is."""

import re
from pathlib import Path

from click.testing import CliRunner

from wallet_provisioning.cli.sandbox import sandbox
from wallet_provisioning.http.sandbox.faultkinds import KINDS
from wallet_provisioning.http.sandbox.operations import Operation
from wallet_provisioning.http.sandbox.switchboard import SWITCHES

PAGE = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")


def first_cells(heading: str) -> list[str]:
    section = PAGE.split(f"## {heading}", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"^\| `([a-z_]+)[`.]", section, re.MULTILINE)


def test_the_page_has_every_fault_switch_and_operation() -> None:
    assert sorted(first_cells("Faults")) == sorted(KINDS)
    assert first_cells("Readings") == list(SWITCHES)
    assert all(f"`{operation.value}`" in PAGE for operation in Operation)


def test_the_help_has_every_fault_and_switch() -> None:
    shown = CliRunner().invoke(sandbox, ["--help"]).output
    assert [name for name in (*KINDS, *SWITCHES) if name not in shown] == []
