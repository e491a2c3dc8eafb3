"""What holds for every test."""

from collections.abc import Iterator

import pytest
from hypothesis import settings

from tests.support_store import close_opened

# Machines are noisy: no example fails for being slow. A failing one is printed with its way to replay it.
settings.register_profile("house", deadline=None, print_blob=True)
settings.load_profile("house")


@pytest.fixture(autouse=True)
def _databases_are_closed() -> Iterator[None]:
    yield
    close_opened()
