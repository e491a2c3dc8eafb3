"""Which names are ours, misspelt or put there by Kubernetes."""

from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wallet_provisioning.settings import NAMES, Settings, SettingsError
from wallet_provisioning.settings.names import distance, sort_names


@pytest.mark.parametrize(
    ("one", "other", "letters"),
    [
        ("LEASE", "LEASE", 0),
        ("LEASE", "LEAS", 1),
        ("LEASE", "LEASES", 1),
        ("LEASE", "LEESE", 1),
        ("LEASE", "LAESE", 1),
        ("LEASE", "ELESA", 3),
        ("", "AB", 2),
        ("LEASE", "", 5),
    ],
)
def test_distance_counts_letters_added_dropped_changed_or_swapped(one: str, other: str, letters: int) -> None:
    assert distance(one, other) == letters


@given(st.text("AB_", max_size=6), st.text("AB_", max_size=6))
def test_distance_is_the_same_both_ways(one: str, other: str) -> None:
    assert distance(one, other) == distance(other, one)
    assert (distance(one, other) == 0) == (one == other)


def test_no_two_settings_are_so_alike_that_one_could_be_the_others_misspelling() -> None:
    checked = [name for name in NAMES if name.startswith(("WORKER_", "CIRCLE_"))]
    assert all(distance(one, other) > 2 for one, other in permutations(checked, 2))


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("WORKER_LEESE", "WORKER_LEASE"),
        ("WORKER_MAX_ATEMPTS", "WORKER_MAX_ATTEMPTS"),
        ("WORKER_MAX_CONCURRENYC", "WORKER_MAX_CONCURRENCY"),
        ("WORKER_POLL_INTERVALLS", "WORKER_POLL_INTERVAL"),
        ("CIRCLE_API_KYE", "CIRCLE_API_KEY"),
    ],
)
def test_a_misspelt_name_is_refused_and_the_known_one_told(misspelt: str, meant: str) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.load({misspelt: "5"}, sandbox=False)
    assert refused.value.lines == (f"{misspelt} is no setting; did you mean {meant}? Rename it or remove it",)


@pytest.mark.parametrize("name", ["WORKER_COLOUR", "WORKER_MAX", "WORKER_MAX_ATTEMPTS_PER_DAY"])
def test_any_other_worker_name_is_only_warned_of(name: str) -> None:
    settings = Settings.load({name: "5"}, sandbox=True)
    assert [(notice.level, notice.text) for notice in settings.notices] == [
        ("warning", f"{name} is no setting of this program and is ignored")
    ]


def test_names_of_other_programs_are_left_alone() -> None:
    environ = {"PATH": "/bin", "CIRCLE_BRANCH": "main", "ADMIN_HOTS": "x", "LANG": "C", "WORKERS": "4"}
    assert Settings.load(environ, sandbox=True).notices == ()


def test_an_empty_misspelt_name_counts_as_unset() -> None:
    assert Settings.load({"WORKER_LEESE": " "}, sandbox=True).notices == ()


INJECTED = {
    "WORKER_PORT": "tcp://10.0.0.1:80",
    "WORKER_PORT_80_TCP": "tcp://10.0.0.1:80",
    "WORKER_PORT_80_TCP_ADDR": "10.0.0.1",
    "WORKER_PORT_80_TCP_PORT": "80",
    "WORKER_PORT_80_TCP_PROTO": "tcp",
    "WORKER_SERVICE_HOST": "10.0.0.1",
    "WORKER_SERVICE_PORT": "80",
    "WORKER_SERVICE_PORT_HTTP": "80",
    "ADMIN_PORT": "tcp://10.0.0.2:8080",
    "REDIS_PORT": "tcp://10.0.0.3:6379",
    "WORKER_API_PORT": "udp://10.0.0.4:53",
    "WORKER_API_SERVICE_HOST": "10.0.0.4",
}


def test_what_kubernetes_injects_is_ignored_with_one_line() -> None:
    settings = Settings.load(INJECTED, sandbox=True)
    assert settings.admin_port == 8080
    assert [notice.level for notice in settings.notices] == ["warning"]
    assert all(name in settings.notices[0].text for name in INJECTED)


def test_an_admin_port_of_our_own_is_not_taken_for_an_injected_one() -> None:
    assert Settings.load({"ADMIN_PORT": "9090"}, sandbox=True).admin_port == 9090


def test_an_address_is_ignored_only_in_a_name_that_kubernetes_uses() -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL must be"):
        Settings.load({"DATABASE_URL": "tcp://10.0.0.1:5432"}, sandbox=True)
    with pytest.raises(SettingsError, match="WORKER_LEASE must be"):
        Settings.load({"WORKER_LEASE": "tcp://10.0.0.1:80"}, sandbox=True)


def test_texts_are_taken_without_the_blanks_around_them() -> None:
    found = sort_names({"LOG_LEVEL": " debug\n", "LOG_FORMAT": "\t"}, NAMES)
    assert found.given == {"LOG_LEVEL": "debug"}
