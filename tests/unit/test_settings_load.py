"""Loading the settings: defaults, forms, rules between them, and which Circle is meant."""

from datetime import timedelta
from uuid import UUID

import pytest

from wallet_provisioning.jobs.backoff import Backoff
from wallet_provisioning.jobs.chains import Environment
from wallet_provisioning.settings import (
    RealCircle,
    SandboxCircle,
    Settings,
    SettingsError,
    StoreSettings,
)

TEST_KEY = "TEST_API_KEY:5f3c:a-secret-of-the-key"
LIVE_KEY = "LIVE_API_KEY:5f3c:a-secret-of-the-key"
ENTITY_SECRET = "ab" * 32
ACCOUNT = {"CIRCLE_API_KEY": TEST_KEY, "CIRCLE_ENTITY_SECRET": ENTITY_SECRET}


def load(environ: dict[str, str], *, sandbox: bool = False) -> Settings:
    return Settings.load(environ, sandbox=sandbox)


def lines(environ: dict[str, str], *, sandbox: bool = False) -> tuple[str, ...]:
    with pytest.raises(SettingsError) as refused:
        load(environ, sandbox=sandbox)
    assert str(refused.value) == "\n".join(refused.value.lines)
    return refused.value.lines


def test_announcements_are_heard_where_the_database_is_unless_a_way_past_a_pooler_is_named() -> None:
    given = {"DATABASE_URL": "postgresql://pooler/wallets"}
    assert load(given, sandbox=True).listen_url == "postgresql://pooler/wallets"
    past = load({**given, "DATABASE_LISTEN_URL": "postgresql://me:hidden@server/wallets"}, sandbox=True)
    assert past.listen_url == "postgresql://me:hidden@server/wallets"
    assert "hidden" not in repr(past)
    (line,) = lines({"DATABASE_LISTEN_URL": "postgresql://me:hidden@server/wallets"})
    assert "not on PostgreSQL" in line
    (line,) = lines({**given, "DATABASE_LISTEN_URL": "sqlite:///hidden.db"}, sandbox=True)
    assert "hidden" not in line


def test_an_empty_environment_gives_the_defaults_of_the_contract() -> None:
    settings = load({})
    assert settings.max_attempts == 5
    assert settings.backoff == Backoff(base=timedelta(minutes=1), maximum=timedelta(minutes=30), jitter=0.1)
    assert settings.served.names == ("ETH", "SOL", "APTOS")
    assert settings.poll_interval == timedelta(seconds=30)
    assert (settings.max_concurrency, settings.job_batch_size) == (5, 10)
    assert settings.shutdown_timeout == timedelta(seconds=60)
    assert settings.enable_retries
    assert settings.lease == timedelta(seconds=30)
    assert settings.job_timeout == timedelta(minutes=2)
    assert settings.replay_window == timedelta(minutes=10)
    assert settings.database_url == "sqlite:///wallet-provisioning.db"
    assert settings.redis_url is None
    assert (settings.admin_host, settings.admin_port) == ("127.0.0.1", 8080)
    assert (settings.admin_token, settings.admin_read_token, settings.kyc_webhook_secret) == (
        None,
        None,
        None,
    )
    assert (settings.otlp_endpoint, settings.service_name) == (None, "wallet-provisioning-worker")
    assert settings.metrics_entity_labels
    assert (settings.circle_wallet_rate, settings.circle_post_rate, settings.circle_get_rate) == (10, 5, 20)


def test_every_variable_can_be_set() -> None:
    settings = load(
        {
            **ACCOUNT,
            "WORKER_MAX_ATTEMPTS": "7",
            "WORKER_BASE_BACKOFF": "500ms",
            "WORKER_MAX_BACKOFF": "2h",
            "WORKER_JITTER_FACTOR": "0",
            "WORKER_CHAINS": "SOL, BASE",
            "WORKER_POLL_INTERVAL": "5s",
            "WORKER_MAX_CONCURRENCY": "400",
            "WORKER_JOB_BATCH_SIZE": "200",
            "WORKER_SHUTDOWN_TIMEOUT": "0s",
            "WORKER_ENABLE_RETRIES": "no",
            "WORKER_LEASE": "3s",
            "WORKER_JOB_TIMEOUT": "4s",
            "WORKER_REPLAY_WINDOW": "5m",
            "WORKER_RECONCILE_INTERVAL": "6h",
            "DATABASE_URL": "postgresql://me:hidden@db/wallets",
            "REDIS_URL": "redis://:hidden@cache:6379/0",
            "CIRCLE_BASE_URL": "http://localhost:8090/",
            "CIRCLE_WALLET_SET_ID": "0190F7A2-7C3E-7E6B-9F0A-3D1B2C4D5E6F",
            "CIRCLE_WALLET_RATE": "11",
            "CIRCLE_POST_RATE": "6",
            "CIRCLE_GET_RATE": "21",
            "ADMIN_HOST": "0.0.0.0",
            "ADMIN_PORT": "0",
            "ADMIN_TOKEN": "full",
            "ADMIN_READ_TOKEN": "read",
            "KYC_WEBHOOK_SECRET": "sign with this",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318",
            "OTEL_SERVICE_NAME": "wallets",
            "METRICS_ENTITY_LABELS": "FALSE",
            "LOG_FORMAT": "JSON",
            "LOG_LEVEL": "debug",
        }
    )
    assert settings.max_attempts == 7
    assert settings.backoff == Backoff(base=timedelta(milliseconds=500), maximum=timedelta(hours=2), jitter=0)
    assert [chain.blockchain for chain in settings.served] == ["SOL-DEVNET", "BASE-SEPOLIA"]
    assert (settings.max_concurrency, settings.job_batch_size) == (400, 200)
    assert settings.shutdown_timeout == timedelta()
    assert not settings.enable_retries
    assert (settings.lease, settings.job_timeout) == (timedelta(seconds=3), timedelta(seconds=4))
    assert settings.database_url == "postgresql://me:hidden@db/wallets"
    assert settings.redis_url == "redis://:hidden@cache:6379/0"
    assert isinstance(settings.circle, RealCircle)
    assert settings.circle.base_url == "http://localhost:8090"
    assert settings.circle.wallet_set_id == UUID("0190f7a2-7c3e-7e6b-9f0a-3d1b2c4d5e6f")
    assert (settings.circle_wallet_rate, settings.circle_post_rate, settings.circle_get_rate) == (11, 6, 21)
    assert (settings.admin_host, settings.admin_port) == ("0.0.0.0", 0)
    assert settings.kyc_webhook_secret is not None
    assert settings.kyc_webhook_secret.get_secret_value() == "sign with this"
    assert (settings.log_format, settings.log_level) == ("json", "debug")
    assert not settings.metrics_entity_labels
    assert settings.notices == ()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("WORKER_MAX_ATTEMPTS", "0"),
        ("WORKER_MAX_ATTEMPTS", "five"),
        ("WORKER_MAX_ATTEMPTS", "5.0"),
        ("WORKER_MAX_ATTEMPTS", "-1"),
        ("WORKER_BASE_BACKOFF", "1.5s"),
        ("WORKER_BASE_BACKOFF", "60"),
        ("WORKER_BASE_BACKOFF", "0s"),
        ("WORKER_MAX_BACKOFF", "9999h"),
        ("WORKER_JITTER_FACTOR", "1"),
        ("WORKER_JITTER_FACTOR", "-0.1"),
        ("WORKER_JITTER_FACTOR", "nan"),
        ("WORKER_CHAINS", "ETH,,SOL"),
        ("WORKER_CHAINS", "DOGE"),
        ("WORKER_CHAINS", "ETH,ETH"),
        ("WORKER_CHAINS", "ETH,ETH-SEPOLIA"),
        ("WORKER_POLL_INTERVAL", "0s"),
        ("WORKER_MAX_CONCURRENCY", "0"),
        ("WORKER_JOB_BATCH_SIZE", "0"),
        ("WORKER_SHUTDOWN_TIMEOUT", "-1s"),
        ("WORKER_ENABLE_RETRIES", "maybe"),
        ("WORKER_LEASE", "100ms"),
        ("WORKER_JOB_TIMEOUT", "0s"),
        ("DATABASE_URL", "mysql://db/wallets"),
        ("DATABASE_URL", "postgresql+asyncpg://db/wallets"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "sqlite:///"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("DATABASE_URL", "sqlite:///jobs.db?mode=ro"),
        ("DATABASE_URL", "postgresql://db:99999/wallets"),
        ("DATABASE_URL", "postgresql://db/wallets?nonsense=1"),
        ("REDIS_URL", "cache:6379"),
        ("REDIS_URL", "redis://cache:port/0"),
        ("REDIS_URL", "redis://cache:99999/0"),
        ("CIRCLE_API_KEY", "TEST_API_KEY:only-an-id"),
        ("CIRCLE_API_KEY", "sk_live_123"),
        ("CIRCLE_API_KEY", "test_api_key:id:secret"),
        ("CIRCLE_API_KEY", "TEST_API_KEY:id:secret with blanks"),
        ("CIRCLE_ENTITY_SECRET", "ab" * 31),
        ("CIRCLE_ENTITY_SECRET", "xy" * 32),
        ("CIRCLE_BASE_URL", "api.circle.com"),
        ("CIRCLE_BASE_URL", "https://user:word@api.circle.com"),
        ("CIRCLE_BASE_URL", "https://api.circle.com?x=1"),
        ("CIRCLE_BASE_URL", "https://api.circle.com:99999"),
        ("CIRCLE_BASE_URL", "https://[::1"),
        ("CIRCLE_BASE_URL", "https://api circle.com"),
        ("CIRCLE_WALLET_SET_ID", "my-set"),
        ("CIRCLE_WALLET_SET_ID", "0190f7a27c3e7e6b9f0a3d1b2c4d5e6f"),
        ("CIRCLE_WALLET_RATE", "0"),
        ("ADMIN_PORT", "65536"),
        ("ADMIN_PORT", "http"),
        ("ADMIN_TOKEN", "two words"),
        ("ADMIN_READ_TOKEN", "pässword"),
        ("METRICS_ENTITY_LABELS", "2"),
        ("LOG_FORMAT", "xml"),
        ("LOG_LEVEL", "loud"),
    ],
)
def test_a_wrong_text_is_one_line_that_names_the_variable(name: str, text: str) -> None:
    (line,) = lines({name: text}, sandbox=name != "CIRCLE_API_KEY")
    assert line.startswith(name)
    assert "\n" not in line


def test_everything_wrong_is_told_at_once() -> None:
    found = lines(
        {
            "WORKER_MAX_ATTEMPTS": "many",
            "WORKER_LEESE": "30s",
            "WORKER_CHAINS": "DOGE",
            "WORKER_BASE_BACKOFF": "1h",
            "WORKER_MAX_BACKOFF": "1m",
            "ADMIN_HOST": "0.0.0.0",
            "DATABASE_URL": "sqlite:///jobs.db",
        }
    )
    assert [line.split()[0].rstrip(":") for line in found] == [
        "WORKER_LEESE",
        "WORKER_MAX_ATTEMPTS",
        "WORKER_CHAINS",
        "WORKER_MAX_BACKOFF",
        "ADMIN_HOST",
        "CIRCLE_API_KEY",
    ]


def test_all_wrong_chains_are_one_line() -> None:
    (line,) = lines({"WORKER_CHAINS": "FOO,BAR"})
    assert line.startswith("WORKER_CHAINS: 'FOO' and 'BAR' are no chains")


def test_a_database_that_is_not_supported_is_told_with_those_that_are() -> None:
    (line,) = lines({"DATABASE_URL": "mysql://me:hidden@db/wallets"}, sandbox=True)
    assert all(word in line for word in ("PostgreSQL", "postgresql://", "SQLite", "sqlite:///"))
    assert "hidden" not in line


def test_a_rule_is_silent_while_one_of_its_variables_is_wrong_by_itself() -> None:
    found = lines({"WORKER_BASE_BACKOFF": "2h", "WORKER_MAX_BACKOFF": "soon"})
    assert [line.split()[0] for line in found] == ["WORKER_MAX_BACKOFF"]
    assert len(lines({"CIRCLE_API_KEY": "wrong", "DATABASE_URL": "sqlite:///jobs.db"})) == 1


def test_the_longest_delay_may_equal_the_first() -> None:
    assert load({"WORKER_BASE_BACKOFF": "5m", "WORKER_MAX_BACKOFF": "5m"}).max_backoff == timedelta(minutes=5)


def test_an_empty_text_counts_as_unset() -> None:
    settings = load({"CIRCLE_API_KEY": "", "DATABASE_URL": "", "WORKER_LEASE": "  "})
    assert settings.circle == SandboxCircle(asked_for=False)
    assert settings.lease == timedelta(seconds=30)


class TestWhichCircle:
    def test_the_sandbox_starts_by_itself_where_nothing_is_configured_and_says_so(self) -> None:
        settings = load({})
        assert settings.circle == SandboxCircle(asked_for=False)
        assert settings.environment is Environment.SANDBOX
        assert ["sandbox starts" in notice.text for notice in settings.notices] == [True]

    def test_with_a_database_of_its_own_the_sandbox_must_be_asked_for(self) -> None:
        (line,) = lines({"DATABASE_URL": "postgresql://db/wallets"})
        assert "--sandbox" in line
        settings = load({"DATABASE_URL": "postgresql://db/wallets"}, sandbox=True)
        assert settings.circle == SandboxCircle(asked_for=True)
        assert settings.notices == ()

    def test_the_default_file_named_in_database_url_counts_as_given(self) -> None:
        assert len(lines({"DATABASE_URL": "sqlite:///wallet-provisioning.db"})) == 1

    def test_a_key_means_the_real_circle(self) -> None:
        settings = load(ACCOUNT)
        assert isinstance(settings.circle, RealCircle)
        assert settings.circle.base_url == "https://api.circle.com"
        assert settings.circle.api_key.get_secret_value() == TEST_KEY
        assert settings.circle.entity_secret.get_secret_value() == ENTITY_SECRET
        assert settings.environment is Environment.TEST

    def test_a_live_key_means_the_main_networks(self) -> None:
        settings = load({**ACCOUNT, "CIRCLE_API_KEY": LIVE_KEY})
        assert settings.environment is Environment.LIVE
        assert [chain.blockchain for chain in settings.served] == ["ETH", "SOL", "APTOS"]

    def test_a_key_and_the_option_contradict_each_other(self) -> None:
        (line,) = lines(ACCOUNT, sandbox=True)
        assert "--sandbox" in line
        assert "CIRCLE_API_KEY" in line

    def test_a_key_needs_its_entity_secret(self) -> None:
        (line,) = lines({"CIRCLE_API_KEY": TEST_KEY})
        assert line.startswith("CIRCLE_ENTITY_SECRET")

    @pytest.mark.parametrize(
        "environ",
        [
            {"CIRCLE_ENTITY_SECRET": ENTITY_SECRET},
            {"CIRCLE_BASE_URL": "https://api.circle.com"},
            {"CIRCLE_WALLET_SET_ID": "0190f7a2-7c3e-7e6b-9f0a-3d1b2c4d5e6f"},
        ],
    )
    def test_half_an_account_does_not_start_the_sandbox(self, environ: dict[str, str]) -> None:
        (line,) = lines(environ)
        assert line.startswith("CIRCLE_API_KEY is unset")

    def test_a_live_key_is_not_sent_in_the_clear(self) -> None:
        live = {**ACCOUNT, "CIRCLE_API_KEY": LIVE_KEY}
        (line,) = lines({**live, "CIRCLE_BASE_URL": "http://gateway.example"})
        assert line.startswith("CIRCLE_BASE_URL must be https")
        for loopback in ("http://127.0.0.1:8090", "http://[::1]:8090", "http://localhost:8090"):
            load({**live, "CIRCLE_BASE_URL": loopback})
        load({**ACCOUNT, "CIRCLE_BASE_URL": "http://sandbox.test:8090"})

    @pytest.mark.parametrize(
        ("key", "chains", "fits"),
        [
            (TEST_KEY, "ETH-SEPOLIA,SOL", True),
            (LIVE_KEY, "ETH,SOL", True),
            (LIVE_KEY, "ETH-SEPOLIA,SOL", False),
        ],
    )
    def test_a_network_of_the_other_world_is_refused(self, key: str, chains: str, *, fits: bool) -> None:
        environ = {**ACCOUNT, "CIRCLE_API_KEY": key, "WORKER_CHAINS": chains}
        if fits:
            load(environ)
        else:
            (line,) = lines(environ)
            assert "ETH-SEPOLIA is a test network" in line


class TestAccess:
    @pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "localhost", "::1"])
    def test_loopback_needs_no_token(self, host: str) -> None:
        assert load({"ADMIN_HOST": host}).admin_host == host

    assert load({"ADMIN_HOST": "[::1]"}).admin_host == "::1"

    @pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.7", "wallets.example", "127.0.0.1.example"])
    def test_any_other_host_needs_one(self, host: str) -> None:
        (line,) = lines({"ADMIN_HOST": host})
        assert line.startswith("ADMIN_HOST")
        assert load({"ADMIN_HOST": host, "ADMIN_TOKEN": "t"}).admin_host == host
        assert load({"ADMIN_HOST": host, "ADMIN_READ_TOKEN": "t"}).admin_host == host

    def test_the_tokens_must_differ(self) -> None:
        (line,) = lines({"ADMIN_TOKEN": "same", "ADMIN_READ_TOKEN": "same"})
        assert line.startswith("ADMIN_READ_TOKEN")
        assert "same" not in line


def test_no_secret_is_shown_by_a_repr_or_an_error() -> None:
    secrets = {
        "CIRCLE_API_KEY": "TEST_API_KEY:id:hidden1",
        "CIRCLE_ENTITY_SECRET": "0123456789abcdef" * 4,
        "DATABASE_URL": "postgresql://me:hidden2@db/wallets",
        "REDIS_URL": "redis://:hidden3@cache/0",
        "ADMIN_TOKEN": "hidden4",
        "ADMIN_READ_TOKEN": "hidden5",
        "KYC_WEBHOOK_SECRET": "hidden6",
    }
    shown = repr(load(secrets)) + str(load(secrets))
    broken = {name: f"{text} ü hidden" for name, text in secrets.items()}
    broken["DATABASE_URL"] = "mysql://me:hidden2@db/wallets"
    broken["REDIS_URL"] = "http://:hidden3@cache/0"
    shown += "\n".join(lines(broken, sandbox=True))
    assert "hidden" not in shown
    assert "0123456789abcdef" not in shown


class TestStoreSettings:
    def test_a_command_on_the_store_alone_needs_no_circle(self) -> None:
        settings = StoreSettings.load({"DATABASE_URL": "postgresql://db/wallets"})
        assert settings.database_url == "postgresql://db/wallets"
        assert settings.served.names == ("ETH", "SOL", "APTOS")

    def test_a_wrong_setting_is_refused_there_too(self) -> None:
        with pytest.raises(SettingsError, match="WORKER_LEASE"):
            StoreSettings.load({"WORKER_LEASE": "long"})

    def test_a_key_decides_the_networks_there_too(self) -> None:
        environ = {"CIRCLE_API_KEY": LIVE_KEY, "WORKER_CHAINS": "ETH-SEPOLIA"}
        with pytest.raises(SettingsError, match="test network"):
            StoreSettings.load(environ)
