"""Each guarantee of the runtime names the tests that show it, and those tests exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "supervision.md").read_text(encoding="utf-8")
TEST = re.compile(r"`(test_\w+)`")


def written_tests() -> set[str]:
    """Return the names of all tests that there are."""
    written = re.compile(r"^(?:async )?def (test_\w+)", re.MULTILINE)
    files = (ROOT / "tests").rglob("test_*.py")
    return {name for path in files for name in written.findall(path.read_text(encoding="utf-8"))}


def guarantees() -> list[str]:
    """Return the page's guarantees: its list items and the rows of its table."""
    items = re.findall(r"^- .*(?:\n  .*)*", PAGE, re.MULTILINE)
    rows = re.findall(r"^\| (?!the child is).*", PAGE, re.MULTILINE)
    return [*items, *rows]


def test_every_test_that_the_page_names_exists() -> None:
    assert set(TEST.findall(PAGE)) - written_tests() == set()


def test_every_guarantee_names_a_test() -> None:
    assert len(guarantees()) > 30
    assert [line for line in guarantees() if not TEST.search(line)] == []


def test_the_library_knows_no_wallets() -> None:
    folder = ROOT / "wallet_provisioning" / "supervision"
    words = re.compile(r"\b(wallet|circle|kyc|job)s?\b", re.IGNORECASE)
    found = [
        f"{path.name}: {line.strip()}"
        for path in folder.glob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if words.search(line)
        and not line.strip().startswith(("from wallet", "import wallet", '"""Supervision'))
    ]
    assert found == []
