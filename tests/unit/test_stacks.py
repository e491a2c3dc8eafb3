"""What an error's stack looks like in a report: what Python would print, at a tenth of the price."""

import threading
import traceback
from collections.abc import Callable

import pytest

from wallet_provisioning.supervision.stacks import stack_of, stack_of_error


class OwnError(Exception):
    """An error of this module."""


class SilentError(Exception):
    """An error whose text can't be had."""

    def __str__(self) -> str:
        raise ValueError


def caught(act: Callable[[], object]) -> BaseException:
    try:
        act()
    except BaseException as error:  # noqa: BLE001 - whatever it is
        return error
    raise AssertionError


def plain() -> None:
    raise OwnError("no way")  # noqa: EM101, TRY003 - its line is looked for


def without_text() -> None:
    raise SystemExit


def unreadable() -> None:
    raise SilentError


def caused() -> None:
    try:
        plain()
    except OwnError as error:
        raise ValueError from error


def while_handled() -> None:
    try:
        plain()
    finally:
        without_text()


def noted() -> None:
    error = OwnError("no way")
    error.add_note("a note")
    raise error


def grouped() -> None:
    raise ExceptionGroup("many", [OwnError("no way")])  # noqa: EM101 - a test's text


def deep(floors: int = 100) -> None:
    if floors == 0:
        plain()
    deep(floors - 1)


def from_nowhere() -> None:
    exec(compile("raise ValueError('made up')", "<made up>", "exec"))  # noqa: S102 - code without a source


def printed(error: BaseException) -> list[str]:
    """Return what Python prints, without the markers below a line, which tell nothing more."""
    lines = "".join(traceback.format_exception(error)).splitlines()
    return [line for line in lines if set(line.strip()) - set("^~")]


@pytest.mark.parametrize("act", [plain, without_text, unreadable, from_nowhere])
def test_a_plain_error_reads_as_python_prints_it(act: Callable[[], object]) -> None:
    error = caught(act)

    assert stack_of_error(error).splitlines() == printed(error)


@pytest.mark.parametrize("act", [caused, while_handled, noted, grouped, deep])
def test_an_error_with_more_to_tell_is_written_by_python(act: Callable[[], object]) -> None:
    error = caught(act)

    assert stack_of_error(error) == "".join(traceback.format_exception(error))


def test_an_error_that_was_never_raised_is_its_last_line() -> None:
    assert stack_of_error(OwnError("no way")).splitlines()[1:] == [f"{__name__}.OwnError: no way"]


def test_a_thread_is_seen_where_it_stands_and_not_once_it_has_ended() -> None:
    gate, stands = threading.Event(), threading.Event()

    def wait_here() -> None:
        stands.set()
        gate.wait(60)

    thread = threading.Thread(target=wait_here)
    thread.start()
    stands.wait(60)

    assert "wait_here" in stack_of(thread)
    gate.set()
    thread.join()
    assert stack_of(thread) == ""
    assert stack_of(None) == ""
