"""The typed interface, as the type checker sees it."""

import re
from pathlib import Path

from mypy import api

_FILES = sorted((Path(__file__).parents[1] / "typing").glob("*.py"))
_ROOT = Path(__file__).parents[2]
_OPTIONS = ["--config-file", str(_ROOT / "pyproject.toml"), "--no-incremental", "--cache-dir", "/dev/null"]


def test_each_wrong_use_is_an_error_and_each_right_one_is_none() -> None:
    assert _FILES
    said, _, status = api.run([*_OPTIONS, *map(str, _FILES)])

    assert status == 0, said


def test_without_its_excuses_each_wrong_line_is_reported(tmp_path: Path) -> None:
    for file in _FILES:
        bare = tmp_path / file.name
        bare.write_text(re.sub(r"  # type: ignore.*", "", file.read_text()))
        said, _, _ = api.run([*_OPTIONS, str(bare)])
        wrong = {number for number, line in lines(file) if "# type: ignore" in line}

        assert {int(number) for number in re.findall(rf"{file.name}:(\d+): error", said)} == wrong


def lines(file: Path) -> list[tuple[int, str]]:
    """Return a file's lines with their numbers."""
    return list(enumerate(file.read_text().splitlines(), start=1))
