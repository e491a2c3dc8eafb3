"""What libraries say through the standard library's logging becomes lines."""

import logging
import warnings
from collections.abc import Iterator

import pytest

from wallet_provisioning.telemetry.libraries import LibraryRoute


class Kept:
    """Lines in a list."""

    def __init__(self) -> None:
        self.lines: list[tuple[int, dict[str, object]]] = []

    def write(self, level: int, name: str, **values: object) -> None:
        assert name == "library_line"
        self.lines.append((level, values))


@pytest.fixture
def kept() -> Iterator[Kept]:
    kept = Kept()
    route = LibraryRoute(kept)
    route.install()
    yield kept
    route.remove()


def test_a_librarys_warning_is_a_line(kept: Kept) -> None:
    logging.getLogger("sqlalchemy.pool").warning("pool of %d is small", 3)

    [(level, line)] = kept.lines
    assert level == logging.WARNING
    assert line["logger"] == "sqlalchemy.pool"
    assert line["text"] == "pool of 3 is small"


@pytest.mark.parametrize(
    "name", ["httpx", "dramatiq.worker", "aiohttp.access", "alembic.runtime", "anything"]
)
def test_what_libraries_chat_is_left_out(kept: Kept, name: str) -> None:
    logging.getLogger(name).info("GET / 200")

    assert kept.lines == []


def test_an_outage_in_dramatiqs_words_is_no_alert(kept: Kept) -> None:
    logging.getLogger("dramatiq.worker.ConsumerThread").critical("connection lost")

    assert kept.lines[0][0] == logging.WARNING


def test_an_error_comes_with_its_stack(kept: Kept) -> None:
    try:
        [].pop()
    except IndexError:
        logging.getLogger("aiohttp.server").exception("unhandled")

    level, line = kept.lines[0]
    assert level == logging.ERROR
    assert "IndexError" in str(line["stack"])


def test_a_line_that_does_not_fit_its_arguments_still_counts() -> None:
    kept = Kept()
    record = logging.LogRecord("odd", logging.WARNING, __file__, 1, "%d of %d", ("one",), None)

    LibraryRoute(kept).handle(record)

    assert kept.lines[0][1]["text"] == "%d of %d"


def test_a_warning_of_pythons_is_a_line(kept: Kept) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(capture=True)
        warnings.warn("old name", DeprecationWarning, stacklevel=1)

    assert "old name" in str(kept.lines[0][1]["text"])


def test_removal_puts_back_what_was() -> None:
    root = logging.getLogger()
    handlers, level, own = root.handlers, root.level, logging.getLogger("httpx").level
    route = LibraryRoute(Kept())

    route.install()
    route.remove()

    assert (root.handlers, root.level, logging.getLogger("httpx").level) == (handlers, level, own)
