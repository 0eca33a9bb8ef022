"""The pages in a real browser."""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from urllib.parse import quote

import pytest
import uvicorn
from fastapi import FastAPI
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import text_to_be_present_in_element as shows
from selenium.webdriver.support.wait import WebDriverWait

from serving.reader import Reader
from shared_logic.memory_store import MemoryStore
from shared_logic.registry import registry
from tests import sample
from tests.serving.http.conftest import SECRETS

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SECONDS = 20


@pytest.fixture(scope="module")
def address(app: FastAPI) -> Iterator[str]:
    """Host and port at which the application listens."""
    configuration = uvicorn.Config(app, host="127.0.0.1", port=0, log_level="warning", lifespan="off")
    socket = configuration.bind_socket()
    socket.listen()  # so that a browser which is quicker than the server waits for it
    server = uvicorn.Server(configuration)
    thread = threading.Thread(target=lambda: server.run([socket]), daemon=True)
    thread.start()
    while not server.started:  # the port is bound before anybody listens at it
        time.sleep(0.01)
    yield f"127.0.0.1:{socket.getsockname()[1]}"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    """Chromium of Debian's packages; without it the test is skipped."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("there is no Chromium: `python3 conf/bootstrap.py chromium` installs it")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in FLAGS:
        options.add_argument(flag)
    with webdriver.Chrome(options, webdriver.ChromeService(driver)) as made:
        yield made


def opened(browser: webdriver.Chrome, address: str, name: str, path: str) -> None:
    """Opens a page as somebody who has told the browser their secret."""
    browser.get(f"http://{name}:{quote(SECRETS[name])}@{address}{path}")
    browser.get(f"http://{address}{path}")


def test_a_case_is_seen(browser: webdriver.Chrome, address: str, store: MemoryStore) -> None:
    # given the two accounts that share most pages
    pairs = Counter(
        {
            (row["editor"], row["neighbour"]): row["pages"]
            for row in Reader(store).scan(registry["coedits"]).rows
        }
    )
    names = {row["editor"]: row["name"] for row in Reader(store).scan(registry["user_current"]).rows}
    (one, other) = next(pair for pair, _ in pairs.most_common() if set(pair) <= names.keys())
    # when an investigator compares them
    opened(browser, address, "investigator", "/similarusers/page")
    browser.find_element(By.ID, "wiki").send_keys(sample.WIKI)
    browser.find_element(By.ID, "accounts").send_keys(f"{names[one]}\n{names[other]}")
    browser.find_element(By.ID, "reason").send_keys("a test")
    browser.find_element(By.CSS_SELECTOR, "form button").click()
    # then both are there, with their pair, its pages and a timeline
    WebDriverWait(browser, SECONDS).until(shows((By.ID, "summary"), names[other]))
    cells = browser.find_elements(By.CSS_SELECTOR, "#matrix td.pair")
    assert len(cells) == 2
    cells[0].click()
    WebDriverWait(browser, SECONDS).until(shows((By.ID, "pages"), "edit overlap"))
    assert len(browser.find_elements(By.CSS_SELECTOR, "#pages tr")) > pairs[one, other]
    dots = len(browser.find_elements(By.CSS_SELECTOR, "#plot circle"))
    assert dots
    # and a click on a column sorts: shares ascend after the second
    shared = browser.find_element(By.CSS_SELECTOR, "#pages th:nth-child(3) button")
    counts = "#pages tbody td:nth-child(3)"
    before = [int(cell.text) for cell in browser.find_elements(By.CSS_SELECTOR, counts)]
    shared.click()
    after = [int(cell.text) for cell in browser.find_elements(By.CSS_SELECTOR, counts)]
    assert before == sorted(before, reverse=True)
    assert after == sorted(before)
    # and the timeline can be narrowed to pages that both edited
    browser.find_element(By.ID, "shared").click()
    assert 0 < len(browser.find_elements(By.CSS_SELECTOR, "#plot circle")) < dots
    # and what can't be compared is told, with the name
    browser.find_element(By.ID, "accounts").send_keys("\nNobody of that name")
    browser.find_element(By.ID, "compare").click()
    WebDriverWait(browser, SECONDS).until(shows((By.ID, "problem"), "Nobody of that name: there is no such"))
    assert not browser.find_element(By.ID, "main").is_displayed()
    # and so is that one account can't be compared with itself
    accounts = browser.find_element(By.ID, "accounts")
    accounts.clear()
    accounts.send_keys(names[one])
    browser.find_element(By.ID, "compare").click()
    WebDriverWait(browser, SECONDS).until(shows((By.ID, "problem"), "two to twenty"))
    assert not [entry for entry in browser.get_log("browser") if "404" not in entry["message"]]


def test_a_case_is_seen_while_one_table_is_behind(browser: webdriver.Chrome, address: str) -> None:
    # given answers that do not know yet when accounts edited first and last
    opened(browser, address, "investigator", "/similarusers/page")
    browser.execute_script(
        """
        const asked = fetch;
        fetch = async (url) => {
            const told = await (await asked(url)).json();
            for (const account of told.accounts) account.first_edit_in_data = account.last_edit_in_data = null;
            return Response.json(told);
        };
        """
    )
    # when a case is shown, and sorted by that
    browser.find_element(By.ID, "wiki").send_keys(sample.WIKI)
    browser.find_element(By.ID, "accounts").send_keys("Admin\nAlice")
    browser.find_element(By.ID, "compare").click()
    WebDriverWait(browser, SECONDS).until(shows((By.ID, "summary"), "Alice"))
    browser.find_element(By.CSS_SELECTOR, "#summary th:nth-child(4) button").click()
    # then the counts are there, and no time
    (one, other) = (
        [cell.text for cell in row.find_elements(By.TAG_NAME, "td")]
        for row in browser.find_elements(By.CSS_SELECTOR, "#summary tbody tr")
    )
    assert {one[0], other[0]} == {"Admin", "Alice"}
    assert one[3:5] == other[3:5] == ["", ""]
    assert browser.find_elements(By.CSS_SELECTOR, "#plot circle")


def test_operators_see_every_dataset_and_a_row(browser: webdriver.Chrome, address: str) -> None:
    opened(browser, address, "operator", "/operations/page")
    WebDriverWait(browser, SECONDS).until(shows((By.ID, "datasets"), "daily_edits"))
    rows = browser.find_elements(By.CSS_SELECTOR, "#datasets tr")
    assert len(rows) == len(registry) + 1
    # how lag goes is a plot, and drift is told by column
    assert len(browser.find_elements(By.CSS_SELECTOR, "#datasets svg polyline")) == len(registry)
    WebDriverWait(browser, SECONDS).until(shows((By.ID, "parity"), "edits: 3"))
    # a failed audit comes first, with its rows behind a click
    WebDriverWait(browser, SECONDS).until(shows((By.ID, "audits"), "failed"))
    browser.find_element(By.CSS_SELECTOR, "#audits td.bad").click()
    WebDriverWait(browser, SECONDS).until(shows((By.ID, "failing"), '"page_id": 17'))
    # and so are events that could not be read, by reason
    WebDriverWait(browser, SECONDS).until(shows((By.ID, "waiting"), "new-major-version: 5"))
    chosen = browser.find_element(By.CSS_SELECTOR, '#dataset option[value="page_current"]')
    chosen.click()
    for name, value in (("wiki", sample.WIKI), ("page_id", "1")):
        browser.find_element(By.CSS_SELECTOR, f'#key input[name="{name}"]').send_keys(value)
    browser.find_element(By.CSS_SELECTOR, "#explain button").click()
    WebDriverWait(browser, SECONDS).until(shows((By.ID, "told"), "one of the batch, none of speed"))
    cells = {
        found[0].text: [one.text for one in found[1:]]
        for line in browser.find_elements(By.CSS_SELECTOR, "#row tr")
        if (found := line.find_elements(By.TAG_NAME, "td"))
    }
    assert cells["title"] == ["Main_Page", "", "Main_Page"]
    # and why there is none
    for name, value in (("wiki", "nowiki"), ("page_id", "1")):
        field = browser.find_element(By.CSS_SELECTOR, f'#key input[name="{name}"]')
        field.clear()
        field.send_keys(value)
    browser.find_element(By.CSS_SELECTOR, "#explain button").click()
    WebDriverWait(browser, SECONDS).until(shows((By.ID, "told"), "Readers find no row"))


def test_routes_are_listed_and_nothing_foreign_is_asked_for(browser: webdriver.Chrome, address: str) -> None:
    browser.get(f"http://{address}/docs")
    WebDriverWait(browser, SECONDS).until(shows((By.ID, "routes"), "GET /v1/daily_edits/{wiki}"))
    assert browser.find_element(By.ID, "problem").text == ""
    # (of one that asks for credentials that is told where it is opened)
    private = browser.find_element(By.XPATH, "//details[summary/code[contains(., '/similarusers')]]")
    private.click()
    assert "Needs credentials" in private.text
    assert not browser.get_log("browser")
