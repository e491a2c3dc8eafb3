from datetime import timedelta
from typing import Any

import pytest

from wallet_provisioning.http.sandbox.errors import SandboxError, StateTakenError, WrongOptionError
from wallet_provisioning.http.sandbox.options import SandboxOptions, Switches


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"port": -1}, "port -1"),
        ({"port": 65536}, "port 65536"),
        ({"latency": timedelta(milliseconds=-1)}, "latency"),
        ({"api_key": "hush"}, "API key"),
        ({"entity_secret": "hush"}, "64 hex"),
        ({"entity_secret": "5a" * 31}, "64 hex"),
        ({"switches": Switches(http_status={7: 400})}, "known codes"),
    ],
)
def test_wrong_options_are_refused_in_one_clear_line(wrong: dict[str, Any], word: str) -> None:
    with pytest.raises(WrongOptionError, match=word) as caught:
        SandboxOptions(**wrong)
    assert "hush" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_options_do_not_show_their_secrets() -> None:
    options = SandboxOptions(api_key="TEST_API_KEY:id:hush", entity_secret="ab" * 32)
    assert "hush" not in repr(options)
    assert "abab" not in repr(options)


def test_the_defaults_are_those_of_the_command() -> None:
    options = SandboxOptions()
    assert (options.host, options.port, options.latency) == ("127.0.0.1", 8090, timedelta())
    assert options.rate_limits
    assert options.state is None


def test_an_error_reads_as_its_docstring_with_the_facts_filled_in() -> None:
    error = StateTakenError(path="here.jsonl")
    assert isinstance(error, SandboxError)
    assert str(error).startswith("Another sandbox holds the state file here.jsonl")
