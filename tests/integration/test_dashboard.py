"""The dashboard in a real browser: what it shows, what can be done with it, and that nothing slips in."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from tests.eip55 import EIP_55
from tests.support_api import OTHER, USER, House
from tests.support_store import claim, live, record, result
from wallet_provisioning.http.api.control import ChainView, ForcedView
from wallet_provisioning.http.api.parts import ApiOptions
from wallet_provisioning.supervision.snapshot import Crash, EndReason, Work

MISSING = shutil.which("chromium") is None or shutil.which("chromedriver") is None
pytestmark = pytest.mark.skipif(
    MISSING, reason="left out: chromium and chromedriver aren't installed, so no browser opens the dashboard"
)
HOSTILE = "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>"
PATIENCE = 15
T = TypeVar("T")


@pytest.fixture(scope="module")
def chromium() -> Iterator[webdriver.Chrome]:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1400,1600"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    driver.set_page_load_timeout(30)
    yield driver
    driver.quit()


class Browser:
    """The page, as a person sees and uses it. Each call runs in a thread while the server answers."""

    def __init__(self, driver: webdriver.Chrome, url: str) -> None:
        self.driver = driver
        self.url = url

    async def do(self, step: Callable[[], T]) -> T:
        return await asyncio.to_thread(step)

    async def open(self) -> None:
        await self.do(lambda: self.driver.get(self.url))

    async def text(self, place: str) -> str:
        return await self.do(lambda: self.find(place).text)

    async def reads(self, place: str, words: str) -> None:
        """Wait until a place shows some words."""
        await self.until(lambda: words in self.find(place).text, f"{place} never read {words!r}")

    async def until(self, is_so: Callable[[], object], otherwise: str) -> None:
        waiting = WebDriverWait(self.driver, PATIENCE, poll_frequency=0.05)
        await self.do(lambda: waiting.until(lambda _: is_so(), otherwise))

    async def click(self, place: str) -> None:
        await self.do(lambda: self.find(place).click())

    async def press(self, place: str, *keys: str) -> None:
        await self.do(lambda: self.find(place).send_keys(*keys))

    async def focus(self, place: str) -> None:
        await self.do(lambda: self.driver.execute_script("arguments[0].focus()", self.find(place)))

    async def press_where_the_focus_is(self, *keys: str) -> None:
        await self.do(lambda: self.driver.switch_to.active_element.send_keys(*keys))

    async def complaints(self) -> list[str]:
        """Return what the browser complained of, policy violations among it."""
        lines = await self.do(lambda: self.driver.get_log("browser"))  # type: ignore[no-untyped-call] # selenium's
        return [line["message"] for line in lines if line["level"] == "SEVERE"]

    def find(self, place: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, place)


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    async with House(tmp_path) as opened:
        yield opened


@pytest.fixture
async def page(house: House, chromium: webdriver.Chrome) -> AsyncIterator[Browser]:
    browser = Browser(chromium, house.server.url)
    await browser.complaints()  # those of the test before
    await browser.open()
    yield browser
    await browser.do(lambda: chromium.get("about:blank"))


def kill_button(path: str) -> str:
    return f'button[aria-label="Kill {path}"]'


async def test_it_shows_the_daemon_its_chains_its_actors_and_its_jobs(page: Browser, house: House) -> None:
    job = await house.accept()
    await page.reads("#worker", "operational")
    await page.reads("#scheduler", "running")
    await page.reads("#settings", "poll 30s")
    await page.reads("#chains", "ETH")
    await page.reads("#actors", "circle/SOL")
    await page.reads("#jobs", job["id"])
    await page.reads("#jobs", "APTOS creating")
    assert await page.complaints() == []


async def test_it_loads_nothing_from_elsewhere(page: Browser) -> None:
    await page.reads("#worker", "operational")
    script = "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    loaded: list[str] = await page.do(lambda: page.driver.execute_script(script))
    assert loaded
    assert [name for name in loaded if not name.startswith((page.url, "data:"))] == []


async def test_it_follows_what_changes(page: Browser, house: House) -> None:
    await page.reads("#chains", "closed")
    house.daemon.breakers = (
        ChainView(
            chain="ETH",
            breaker="open",
            opened_at=datetime.now(UTC),
            reason="5 timeouts in a row",
            in_flight=2,
            waiting=9,
        ),
    )
    house.daemon.running = False
    await page.reads("#chains", "5 timeouts in a row")
    await page.reads("#worker", "down")
    await page.reads("#scheduler", "not running")


async def test_it_shows_what_is_forced_and_who_paused_the_claims(page: Browser, house: House) -> None:
    await page.reads("#chains", "closed")
    forced = ForcedView(state="open", reason="an upgrade", until=None, by="cli", measured="closed")
    view = house.daemon.breakers[0]
    house.daemon.breakers = (replace(view, breaker="open", reason="an upgrade", forced=forced),)
    await page.reads("#chains", "open by cli, else closed")
    await house.post("/api/v1/admin/workers/pause", {"reason": "a migration"})
    await page.reads("#paused", "Nothing is claimed: paused by admin@loopback, a migration")
    await house.post("/api/v1/admin/workers/resume")
    await page.until(lambda: not page.find("#paused").is_displayed(), "it still says that claims are paused")
    assert await page.complaints() == []


async def test_an_actor_is_killed_by_the_keyboard_alone(page: Browser, house: House) -> None:
    await page.reads("#actors", "circle/ETH")
    await page.focus(kill_button("circle/ETH"))
    await page.press_where_the_focus_is(Keys.ENTER)
    await page.until(lambda: page.find("#kill-dialog").is_displayed(), "no question was asked")
    await page.press_where_the_focus_is(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.TAB)
    await page.press_where_the_focus_is("a drill", Keys.TAB, Keys.TAB)
    await page.press_where_the_focus_is(Keys.ENTER)
    await page.reads("#said", "Kill circle/ETH (stop): accepted.")
    assert house.daemon.kills == [("circle/ETH", "stop", "a drill")]


@pytest.mark.parametrize("key", [Keys.ESCAPE, Keys.ENTER])
async def test_a_kill_that_is_thought_better_of_kills_nothing(page: Browser, house: House, key: str) -> None:
    await page.reads("#actors", "writer")
    await page.click(kill_button("/"))
    await page.reads("#kill-warning", "exit code 1")
    await page.press_where_the_focus_is(key)
    await page.reads("#said", "Nothing was killed.")
    assert house.daemon.kills == []


async def test_what_the_daemon_refuses_is_said(page: Browser, house: House) -> None:
    house.daemon.is_live = True
    await page.reads("#actors", "writer")
    await page.click(kill_button("writer"))
    await page.click("input[value=hang]")
    await page.click("#kill-dialog button.danger")
    await page.reads("#said", "LIVE key")


async def test_the_focus_stays_while_the_page_refreshes(page: Browser, house: House) -> None:
    await page.reads("#actors", "writer")
    await page.focus(kill_button("scheduler"))
    before = await page.text("#updated")
    await page.until(lambda: page.find("#updated").text != before, "the page stood still")
    await house.accept()
    await page.reads("#jobs", "queued")
    label = "return document.activeElement.getAttribute('aria-label')"
    assert await page.do(lambda: page.driver.execute_script(label)) == "Kill scheduler"


async def test_a_job_is_opened_cancelled_and_tried_again(page: Browser, house: House) -> None:
    job = await house.accept(chains=["SOL"])
    await page.reads("#jobs", job["id"])
    await page.press("#jobs button", Keys.ENTER)
    await page.reads("#timeline", "wallet-worker:job_created")
    await page.reads("#job-wallets", "SOL")
    await page.click("#job-cancel")
    await page.reads("#job-status", "cancelled")
    await page.reads("#timeline", "admin:cancel_job")
    await page.click("#job-retry")
    await page.reads("#job-status", "queued")
    assert (await house.get(f"/api/v1/admin/jobs/{job['id']}")).json["status"] == "queued"


async def test_evm_addresses_are_shown_with_their_checksum(page: Browser, house: House) -> None:
    job = await house.accept(chains=["ETH"])
    (claimed,) = claim(house.database)
    lower = replace(live(), address=EIP_55[4].lower())
    record(house.database, result(claimed, lower))
    await page.reads("#jobs", job["id"])
    await page.press("#jobs button", Keys.ENTER)
    await page.reads("#job-wallets", EIP_55[4])
    (wallet,) = (await house.get(f"/api/v1/admin/jobs/{job['id']}")).json["wallets"]
    assert wallet["address"] == EIP_55[4].lower()
    script = "return arguments[0].map((one) => checksummed(one.toLowerCase()))"
    assert await page.do(lambda: page.driver.execute_script(script, EIP_55)) == EIP_55
    assert await page.complaints() == []


async def test_jobs_are_filtered(page: Browser, house: House) -> None:
    mine, other = await house.accept(), await house.accept(OTHER)
    await page.reads("#jobs", mine["id"])
    await page.press("#filter-user", OTHER, Keys.ENTER)
    await page.until(lambda: mine["id"] not in page.find("#jobs").text, "the filter did nothing")
    await page.reads("#jobs", other["id"])
    await page.press("#filter-status", "failed")
    await page.click("#filter button")
    await page.reads("#no-jobs", "No jobs here.")


async def test_the_scheduler_is_restarted(page: Browser, house: House) -> None:
    await page.reads("#worker", "operational")
    await page.click("#restart")
    await page.reads("#said", "Restart scheduler: accepted.")
    assert house.daemon.tree["scheduler"].incarnation == 2


async def test_an_actor_that_is_suspended_or_has_crashed_says_so(page: Browser, house: House) -> None:
    crash = Crash(
        at=datetime.now(UTC),
        reason=EndReason.HANG,
        error="no end of Finished within 15 s",
        message="Finished",
        incarnation=2,
        trace_id="ab" * 16,
        shown="Finished(job_id)",
    )
    writer = house.daemon.tree["writer"]
    house.daemon.tree["writer"] = replace(writer, suspended=True, last_crash=crash)

    await page.reads("#actors", "suspended")
    await page.reads("#actors", "hang over Finished in life 2, no end of Finished within 15 s")
    await page.reads("#actors", "ab" * 16)


async def test_texts_from_outside_stay_texts(page: Browser, house: House) -> None:
    crash = Crash(
        at=datetime.now(UTC),
        reason=EndReason.CRASH,
        error=HOSTILE,
        message=None,
        incarnation=1,
        trace_id=None,
    )
    house.daemon.tree["writer"] = replace(
        house.daemon.tree["writer"],
        last_crash=crash,
        working_on=Work(message=HOSTILE, subject=UUID(USER), since=timedelta(seconds=3)),
    )
    house.daemon.breakers = (replace(house.daemon.breakers[0], reason=HOSTILE),)
    job = await house.accept()
    await house.post(f"/api/v1/admin/jobs/{job['id']}/cancel", {"reason": HOSTILE})
    await page.reads("#jobs", job["id"])
    await page.press("#jobs button", Keys.ENTER)
    await page.reads("#timeline", "<img src=x")
    await page.reads("#actors", HOSTILE)
    await page.reads("#chains", HOSTILE)
    assert await page.do(lambda: page.driver.title) == "Wallet Provisioning"
    assert await page.do(lambda: page.driver.find_elements(By.TAG_NAME, "img")) == []
    assert await page.complaints() == []


async def test_a_daemon_that_went_away_is_missed_and_found_again(
    tmp_path: Path, chromium: webdriver.Chrome
) -> None:
    async with House(tmp_path) as house:
        page = Browser(chromium, house.server.url)
        await page.open()
        await page.reads("#worker", "operational")
        options = replace(house.parts.options, port=house.server.port)
        await house.server.stop()
        await page.reads("#trouble", "does not answer")
        house.move_to(options)
        await house.server.start()
        await page.until(lambda: not page.find("#trouble").is_displayed(), "the daemon wasn't found again")


async def test_a_token_is_asked_for_and_kept_for_the_tab(tmp_path: Path, chromium: webdriver.Chrome) -> None:
    async with House(tmp_path, ApiOptions(admin_token="right")) as house:
        page = Browser(chromium, house.server.url)
        await page.open()
        await page.until(lambda: page.find("#token-dialog").is_displayed(), "no token was asked for")
        await page.press("#token", "wrong", Keys.ENTER)
        await page.until(lambda: page.find("#token").get_attribute("value") == "", "it wasn't asked again")
        await page.until(lambda: page.find("#token-dialog").is_displayed(), "a wrong token was taken")
        await page.press("#token", "right", Keys.ENTER)
        await page.reads("#worker", "operational")
        await page.open()
        await page.reads("#worker", "operational")
        await page.click("#sign-out")
        await page.until(lambda: page.find("#token-dialog").is_displayed(), "the token wasn't forgotten")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_words_are_readable_in_light_and_in_dark(page: Browser, house: House, scheme: str) -> None:
    feature = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    await page.do(lambda: page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", feature))
    await house.accept()
    await page.reads("#jobs", "queued")
    pale: list[str] = await page.do(lambda: page.driver.execute_script(PALE_WORDS))
    assert pale == []


PALE_WORDS = """
const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
const light = (colour) => {
  const [r, g, b] = numbers(colour).map((part) => part / 255)
    .map((part) => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
};
const behind = (element) => {
  for (let at = element; at; at = at.parentElement) {
    const colour = getComputedStyle(at).backgroundColor;
    if (numbers(colour)[3] !== 0) return colour;
  }
  return "rgb(255, 255, 255)";
};
const contrast = (one, other) => {
  const [low, high] = [light(one), light(other)].sort((a, b) => a - b);
  return (high + 0.05) / (low + 0.05);
};
const speaks = (node) => node.nodeType === Node.TEXT_NODE && node.data.trim();
return [...document.querySelectorAll("body *")]
  .filter((element) => element.offsetParent && [...element.childNodes].some(speaks))
  .filter((element) => contrast(getComputedStyle(element).color, behind(element)) < 4.5)
  .map((element) => element.tagName + " " + element.className + " " + element.textContent);
"""
