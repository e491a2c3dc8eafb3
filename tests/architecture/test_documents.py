"""What the documents say is what there is: generated pages, settings, targets, requirements."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from wallet_provisioning.jobs import diagram
from wallet_provisioning.settings import NAMES, Settings, SettingsError
from wallet_provisioning.telemetry import catalogue

ROOT = Path(__file__).parents[2]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_the_page_on_job_states_is_that_of_the_table() -> None:
    assert read("docs/job-states.md") == diagram.render(), "run `make docs`"


def test_the_page_on_events_is_that_of_the_code() -> None:
    assert read("docs/events.md") == catalogue.render(), "run `make docs`"


def example() -> dict[str, str]:
    """Return every variable of .env.example, those that are commented out too."""
    return dict(re.findall(r"^(?:# )?([A-Z][A-Z0-9_]+)=(.*)$", read(".env.example"), re.MULTILINE))


def test_the_example_names_exactly_the_settings_that_exist() -> None:
    assert sorted(example()) == sorted(NAMES)


def test_the_lines_of_the_example_that_are_set_are_the_defaults() -> None:
    given = dict(re.findall(r"^([A-Z][A-Z0-9_]+)=(.*)$", read(".env.example"), re.MULTILINE))
    assert given
    assert shown(given) == shown({})


def shown(environ: dict[str, str]) -> str:
    return re.sub(r" at 0x[0-9a-f]+", "", repr(Settings.load(environ, sandbox=False)))


def test_every_line_of_the_example_can_be_read() -> None:
    try:
        Settings.load(example(), sandbox=False)
    except SettingsError as error:
        pytest.fail(str(error))


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))


def test_every_target_has_its_line_of_help() -> None:
    helped = set(re.findall(r"^([a-z-]+):.*## ", read("Makefile"), re.MULTILINE))
    assert targets() == helped


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md"])
def test_the_make_targets_that_a_page_names_exist(page: str) -> None:
    named = set(re.findall(r"\bmake ([a-z][a-z-]*)", "\n".join(code(read(page)))))
    assert named <= targets()


def code(text: str) -> list[str]:
    """Return what a Markdown page shows as code: fenced blocks, indented ones and words in backquotes."""
    fenced = re.findall(r"^```.*?^```", text, re.MULTILINE | re.DOTALL)
    indented = re.findall(r"^ {4}.*$", text, re.MULTILINE)
    return [*fenced, *indented, *re.findall(r"`([^`\n]+)`", text)]


PAGES = sorted(str(page.relative_to(ROOT)) for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


@pytest.mark.parametrize("page", PAGES)
def test_no_blank_line_breaks_a_table(page: str) -> None:
    tables = re.findall(r"(?:^\|.*\n)+", read(page), re.MULTILINE)
    assert [table for table in tables if not re.match(r".*\n\|[-|: ]+\|\n", table)] == []


@pytest.mark.parametrize("page", PAGES)
def test_the_links_of_a_page_lead_somewhere(page: str) -> None:
    for link in re.findall(r"\]\(([^)\s]+)\)", read(page)):
        path, _, heading = link.partition("#")
        if ":" not in link:
            target = (ROOT / page).parent / path if path else ROOT / page
            assert target.exists(), link
            assert not heading or heading in headings(target), link


def headings(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as they are made where it is read."""
    found = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/runbook.md"])
def test_the_commands_that_a_page_names_exist(page: str) -> None:
    named = set(re.findall(r"(?:supervisor\.py|wallet-provisioning) ([a-z-]+)", "\n".join(code(read(page)))))
    assert named <= commands()


def commands() -> set[str]:
    """Return the commands that the help lists; run apart, as a user would."""
    run = subprocess.run(  # our own launcher
        [sys.executable, str(ROOT / "supervisor.py"), "--help"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(re.findall(r"^  ([a-z-]+) ", run.stdout.partition("Commands:")[2], re.MULTILINE))


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-dev.txt"])
def test_requirements_are_hashed_and_name_no_place(name: str) -> None:
    text = read(name)
    assert re.search(r"^\s*-(?!-hash=)", text, re.MULTILINE) is None, "no option but hashes"
    assert "://" not in text
    assert " @ " not in text
    for requirement in re.split(r"\n(?=[a-z])", text):
        if not requirement.startswith("#"):
            assert "==" in requirement.splitlines()[0]
            assert "--hash=sha256:" in requirement


def test_what_runs_is_what_is_tested() -> None:
    pins = [
        set(re.findall(r"^([a-z0-9._-]+==\S+)", read(name), re.MULTILINE))
        for name in ("requirements.txt", "requirements-dev.txt")
    ]
    assert pins[0] <= pins[1]
