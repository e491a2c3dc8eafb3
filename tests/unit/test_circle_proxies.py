import subprocess
import sys

import pytest

ASK = "from wallet_provisioning.http.circle.transport import proxy_for; print(proxy_for('https://api.circle.com'))"


@pytest.mark.parametrize(
    ("environment", "proxy"),
    [
        ({}, "None"),
        ({"HTTPS_PROXY": "http://proxy:3128"}, "http://proxy:3128"),
        ({"https_proxy": "proxy:3128"}, "http://proxy:3128"),
        ({"ALL_PROXY": "http://proxy:1"}, "http://proxy:1"),
        ({"HTTP_PROXY": "http://proxy:1"}, "None"),
        ({"HTTPS_PROXY": "http://proxy:3128", "NO_PROXY": "example.com,.circle.com"}, "None"),
    ],
)
def test_calls_go_by_the_proxy_that_the_environment_names(environment: dict[str, str], proxy: str) -> None:
    told = subprocess.run(
        [sys.executable, "-c", ASK], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert told.stdout.strip() == proxy
