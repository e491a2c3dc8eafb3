"""Actors keep what is promised whether each has a thread for itself or all share a few."""

from collections.abc import Iterator

import pytest

from tests.support_supervision import Trial

_ON_BOTH = frozenset(
    {
        "test_actor",
        "test_death_watch",
        "test_supervision_load",
        "test_supervisor",
        "test_supervisor_crashes",
        "test_supervisor_hangs",
        "test_supervisor_mail",
        "test_supervisor_stops",
    }
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests of supervision once on threads of their own and once on shared ones."""
    if metafunc.definition.path.stem in _ON_BOTH and "_threads" in metafunc.fixturenames:
        metafunc.parametrize("_threads", [None, "pool"], ids=["own", "shared"], indirect=True)


@pytest.fixture(autouse=True)
def _threads(request: pytest.FixtureRequest) -> Iterator[None]:
    """Have the workers of a trial share threads where a test is asked for that."""
    Trial.dispatcher = getattr(request, "param", None)
    yield
    Trial.dispatcher = None
