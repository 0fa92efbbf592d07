"""The daemon's page at /ui: its files, and, where Chromium is, what somebody who looks at it sees."""

import importlib.util
import shutil
from collections.abc import Iterator

import pytest
from serving import Daemon, text_of

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.mark.parametrize("path, kind", [("/ui", "text/html"), ("/ui/", "text/html"), ("/ui/page.css", "text/css"),
                                        ("/ui/page.js", "text/javascript")])
def test_the_files_of_the_page_hold_no_data_and_let_nothing_in(tiny: Daemon, path: str, kind: str) -> None:
    answer = tiny.http.get(path)
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(kind)
    assert tiny.key not in answer.text and "tiny" not in answer.text
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert "http://" not in answer.text.replace("http://www.w3.org/2000/svg", "") and "https://" not in answer.text


def test_other_ways_to_the_page_are_refused(tiny: Daemon) -> None:
    assert tiny.http.get("/ui/../key").status_code == 404
    assert tiny.http.get("/ui/nothing").status_code == 404
    assert tiny.http.post("/ui", content=b"").status_code == 404


def test_the_verb_prints_an_address_whose_key_stays_in_the_browser(tiny: Daemon) -> None:
    address = tiny.done("ui").strip()
    assert address == f"{tiny.url}/ui#key={tiny.key}"


@pytest.fixture
def browser() -> Iterator:
    if CHROMIUM is None or importlib.util.find_spec("playwright") is None:
        pytest.skip("Chromium or playwright is not here: make test-all, or Scripts/setup.sh browser")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as play:
        # Chromium's own sandbox cannot be had in most containers.
        started = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


def test_the_page_shows_states_wakes_tokens_and_money(tiny: Daemon, browser) -> None:
    tiny.done("price", "tiny", "prompt=1000", "answer=1000")
    text_of(tiny.chat("tiny"))
    tiny.done("sleep", "tiny", "--tier", "cold")
    text_of(tiny.chat("tiny"))
    page = browser.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda said: problems.append(said.text) if said.type in ("error", "warning") else None)
    page.goto(tiny.done("ui").strip())
    row = page.locator("#deployments tr")
    row.wait_for()
    assert row.count() == 1
    shown = row.inner_text()
    assert "tiny" in shown and "llama.cpp" in shown and "ready" in shown
    # The key is out of the address before anybody copies it.
    assert page.url == f"{tiny.url}/ui"
    spent = tiny.done("bill", "--by", "deployment", "--csv").splitlines()[1].split(",")
    assert page.locator("#tokens").inner_text() == str(int(spent[3]) + int(spent[5]))
    assert page.locator("#money").inner_text().removeprefix("at least ") == f"${spent[10]}" != "$0"
    picture = page.locator("#wakes svg")
    assert picture.count() == 1
    assert picture.locator("rect.ready").count() == 2
    assert "cold" in picture.text_content()
    # What changes is seen without loading it again.
    tiny.done("stop", "tiny")
    page.locator("#deployments .stopped").wait_for()
    assert problems == []


def test_the_page_asks_for_a_key_and_says_when_it_is_wrong(tiny: Daemon, browser) -> None:
    page = browser.new_page()
    page.goto(f"{tiny.url}/ui")
    page.locator("#key").fill("wrong")
    page.get_by_role("button").click()
    page.locator("#problem").wait_for()
    assert "does not know that key" in page.locator("#problem").inner_text()
    assert page.locator("#all").is_hidden()
    page.locator("#key").fill(tiny.key)
    page.get_by_role("button").click()
    page.locator("#deployments tr").wait_for()
    assert page.locator("#problem").is_hidden()


def test_text_of_an_engine_is_never_markup(start, browser, tmp_path) -> None:
    engine = tmp_path / "engine"
    engine.write_text("#!/bin/sh\necho '<img src=x onerror=document.title=1>' >&2\nexit 3\n")
    engine.chmod(0o755)
    daemon = start()
    daemon.run("deploy", "evil", "--engine", "custom", "--program", str(engine), "--model", "none", "--no-wait")
    daemon.wait_for("evil", "failed")
    page = browser.new_page()
    page.goto(daemon.done("ui").strip())
    page.locator("#deployments .failed").wait_for()
    assert page.locator("img").count() == 0
    assert page.title() == "gpuserve"
