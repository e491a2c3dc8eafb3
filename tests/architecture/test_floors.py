"""The house keeps to its plan: floors, homes of libraries, sizes of files."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "wallet_provisioning"
LONGEST_FILE = 400
LONGEST_TESTS = 600


def sources(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def imported(path: Path) -> Iterator[str]:
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def outside(*homes: str) -> list[Path]:
    return [path for path in sources(PACKAGE) if not name_of(path).startswith(homes)]


def test_each_floor_imports_only_those_below_it_and_each_library_has_its_home() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-logo", "--no-cache"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=100)
    assert run.returncode == 0, run.stdout


def asks(path: Path) -> list[str]:
    """Find what makes one actor wait for another."""
    return [
        f"{name_of(path)}:{node.lineno} .{node.attr}"
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute) and node.attr in {"ask", "proxy"}
    ]


def test_no_actor_waits_for_another() -> None:
    found = [line for path in outside("wallet_provisioning/supervision/") for line in asks(path)]
    assert found == []


def test_the_actor_registry_is_known_to_supervision_alone() -> None:
    found = [
        name_of(path)
        for path in outside("wallet_provisioning/supervision/")
        if "ActorRegistry" in path.read_text(encoding="utf-8")
    ]
    assert found == []


def test_the_telemetry_sdk_has_its_home_while_its_api_may_be_used_anywhere() -> None:
    kinds = ("opentelemetry.sdk", "opentelemetry.exporter")
    found = [
        f"{name_of(path)} {module}"
        for path in outside("wallet_provisioning/telemetry/")
        for module in imported(path)
        if module.startswith(kinds)
    ]
    assert found == []


def test_the_folder_that_is_named_like_the_standard_librarys_http_stays_empty() -> None:
    assert (PACKAGE / "http" / "__init__.py").read_bytes() == b""
    assert [path.name for path in (PACKAGE / "http").glob("*.py")] == ["__init__.py"]
    assert not (ROOT / "tests" / "http").exists()


def lines_of(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_a_file_has_one_idea_and_at_most_400_lines() -> None:
    assert [name_of(path) for path in sources(PACKAGE) if lines_of(path) > LONGEST_FILE] == []


def test_a_file_of_tests_has_at_most_600_lines() -> None:
    assert [name_of(path) for path in sources(ROOT / "tests") if lines_of(path) > LONGEST_TESTS] == []


def test_the_launcher_is_a_dozen_lines() -> None:
    lines = (ROOT / "supervisor.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 15


def test_only_the_clock_asks_what_time_it_is() -> None:
    readings = {
        ("time", "time"),
        ("time", "monotonic"),
        ("time", "sleep"),
        ("datetime", "now"),
        ("datetime", "utcnow"),
        ("date", "today"),
    }
    found = [
        f"{name_of(path)}:{node.lineno} {ast.unparse(node)}"
        for path in outside("wallet_provisioning/clock.py")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and (node.value.id, node.attr) in readings
    ]
    assert found == []


def test_chance_is_always_handed_in() -> None:
    """A module-level `random.uniform()` can't be repeated in a simulation; a `random.Random` can."""
    found = [
        f"{name_of(path)}:{node.lineno} {ast.unparse(node)}"
        for path in sources(PACKAGE)
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "random"
        and node.attr not in {"Random", "SystemRandom"}
    ]
    assert found == []
