import pytest

from wallet_provisioning.http.sandbox.access import Access, authorise, is_well_formed
from wallet_provisioning.http.sandbox.networks import World
from wallet_provisioning.http.sandbox.refusals import Code, Refusal

GOOD = "TEST_API_KEY:id:secret"


@pytest.mark.parametrize(("key", "world"), [(GOOD, World.TEST), ("LIVE_API_KEY:id:secret", World.LIVE)])
def test_a_key_opens_the_world_that_it_names(key: str, world: World) -> None:
    assert authorise(f"Bearer {key}", None) is world


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        GOOD,
        f"bearer {GOOD}",
        f"Basic {GOOD}",
        "Bearer ",
        "Bearer TEST_API_KEY:id",
        "Bearer TEST_API_KEY:id:",
        "Bearer TEST_API_KEY::secret",
        "Bearer TEST_API_KEY:id:secret:more",
        "Bearer STAGE_API_KEY:id:secret",
        f"Bearer {GOOD} ",
        f"Bearer  {GOOD}",
    ],
)
def test_a_malformed_header_is_refused_with_401(header: str | None) -> None:
    with pytest.raises(Refusal) as caught:
        authorise(header, None)
    assert caught.value.code is Code.MALFORMED_KEY
    assert caught.value.status({}) == 401


def test_another_key_than_the_accepted_one_is_refused_with_code_4() -> None:
    with pytest.raises(Refusal) as caught:
        authorise("Bearer TEST_API_KEY:id:other", GOOD)
    assert caught.value.code is Code.WRONG_KEY
    assert caught.value.status({}) == 401


def test_a_refusal_does_not_repeat_the_key() -> None:
    with pytest.raises(Refusal) as caught:
        authorise("Bearer TEST_API_KEY:id:hush", GOOD)
    assert "hush" not in str(caught.value)
    assert GOOD not in str(caught.value)


def test_the_form_of_a_key_is_recognised() -> None:
    assert is_well_formed(GOOD)
    assert not is_well_formed("TEST_API_KEY:id:sec ret")
    assert not is_well_formed("TEST_API_KEY:id:sécret")


def test_the_accepted_secrets_do_not_show() -> None:
    assert "hush" not in repr(Access(api_key="TEST_API_KEY:id:hush", entity_secret="hush"))
