"""The page in a real browser: what a person sees and can do."""

import json
import os
import signal

import pytest

from waiting import wait_until
from web_page import TOKEN, Page

LONG = "a-very-long-name-that-somebody-gave-to-a-program-0123456789-0123"


def shown(browser, url):
    """Open the page and wait until it lives."""
    browser.open(url)
    wait_until(lambda: browser.text("#uptime") not in {"", "–"}, "a page that shows something")
    return browser


def sign_in(browser, token=TOKEN):
    """As a person does it."""
    browser.click("#sign")
    browser.type(token)
    browser.key("Enter")


def clean(browser, page):
    """Nothing was fetched from elsewhere, and the browser had nothing to complain of."""
    assert browser.errors == []
    foreign = [url for url in browser.requests if not url.startswith((page.url, "about:", "data:"))]
    assert foreign == []
    return True


def test_a_crash_is_seen_while_one_looks(healthy, page, browse):
    """The page shows the end, its cause and the next run without being loaded again."""
    browser = shown(browse(), page.url)
    assert browser.text("#state") == "Running · healthy"
    assert browser.text("#restarts") == "0 of 10"
    browser.run("window.mark = 1")
    old = healthy.child()
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: "killed by SIGKILL" in browser.text("#facts"), "the cause")
    new = healthy.other_child(old)
    wait_until(lambda: f"pid {new}" in browser.text("#about"), "the next run")
    wait_until(lambda: browser.text("#state") == "Running · healthy", "a healthy program")
    assert browser.text("#restarts") == "1 of 10"
    assert browser.run("document.title") == "Running · healthy · tracker"
    wait_until(lambda: browser.is_shown("#incidents-card"), "the incident")
    browser.click("#incidents summary")
    wait_until(lambda: "What happened" in browser.text("#incidents pre"), "its story")
    healthy.order("print seen at once")
    wait_until(lambda: "seen at once" in browser.text("#log"), "the line")
    assert browser.run("window.mark") == 1
    assert clean(browser, page)


def test_the_level_of_the_lamp_follows_the_health(healthy, page, browse):
    """Green is healthy, amber needs a look, red is trouble; and words say the same."""
    browser = shown(browse(), page.url)
    level = "document.querySelector('#hero').dataset.level"
    assert browser.run(level) == "ok"
    healthy.cli("pause", "--for", "10m")
    wait_until(lambda: browser.run(level) == "warn", "amber")
    assert browser.text("#state") == "Running · paused"
    assert "The pause ends in 9 min" in browser.text("#note")
    healthy.stop()
    wait_until(lambda: browser.run(level) == "bad", "red")
    assert browser.text("#state") == "Stopped"
    assert not browser.is_shown("#actions")


def test_without_a_token_there_is_nothing_to_press(healthy, browse):
    """A page that only shows offers neither actions nor a place to sign in."""
    page = Page(healthy, token=None)
    browser = shown(browse(), page.url)
    assert not browser.is_shown("#actions")
    assert not browser.is_shown("#sign")
    assert clean(browser, page)


def test_a_wrong_token_opens_nothing(page, browse):
    """The mistake is said, the place to type stays, and no button appears; the right one then works."""
    browser = shown(browse(), page.url)
    sign_in(browser, "not-the-token")
    wait_until(lambda: browser.text("#login-error") == "That is not the token.", "the mistake")
    assert browser.is_shown("#login")
    assert not browser.is_shown("#restart")
    browser.type(TOKEN)
    browser.key("Enter")
    wait_until(lambda: browser.is_shown("#restart"), "the actions")
    assert not browser.is_shown("#login")
    assert browser.run("document.cookie") == ""  # scripts cannot see the session


def test_the_restart_button_restarts_after_a_question(healthy, page, browse):
    """It asks first; no is no, yes starts a new run, and it works after the page was loaded again."""
    browser = shown(browse(), page.url)
    sign_in(browser)
    wait_until(lambda: browser.is_shown("#restart"), "the actions")
    old = healthy.child()
    browser.click("#restart")
    wait_until(lambda: browser.is_shown("#ask"), "the question")
    assert "tracker" in browser.text("#ask-text")
    browser.click("#ask-no")
    wait_until(lambda: not browser.is_shown("#ask"), "no question")
    assert healthy.child() == old
    shown(browser, page.url)
    browser.click("#restart")
    browser.click("#ask-yes")
    wait_until(lambda: browser.text("#notice") == "Done.", "its end")
    new = healthy.other_child(old)
    wait_until(lambda: f"pid {new}" in browser.text("#about"), "the next run")
    assert [one["cause"] for one in healthy.facts("ended")] == ["asked-restart"]
    browser.click("#sign")  # and out again
    wait_until(lambda: browser.text("#sign") == "Sign in", "signed out")
    assert not browser.is_shown("#restart")
    assert clean(browser, page)


def test_pause_and_resume_by_keyboard_alone(healthy, page, browse):
    """Everything can be reached and done with Tab and Enter, and Escape says no."""
    browser = shown(browse(), page.url)

    def go_to(name):
        for _ in range(60):
            browser.key("Tab")
            if browser.run("document.activeElement.id") == name:
                outline = browser.run("getComputedStyle(document.activeElement).outlineStyle")
                assert outline == "solid", "one sees where one is"
                return
        raise AssertionError(f"Tab never comes to {name}")

    browser.key("Tab")
    assert browser.run("document.activeElement.className") == "skip"
    go_to("sign")
    browser.key("Enter")
    browser.type(TOKEN)
    browser.key("Enter")
    wait_until(lambda: browser.is_shown("#pause"), "the actions")
    go_to("pause")
    browser.key("Enter")
    wait_until(lambda: browser.is_shown("#ask"), "the question")
    browser.key("Escape")
    wait_until(lambda: not browser.is_shown("#ask"), "no question")
    go_to("pause")
    browser.key("Enter")
    wait_until(lambda: browser.is_shown("#ask"), "the question")
    go_to("ask-yes")
    browser.key("Enter")
    wait_until(lambda: browser.is_shown("#resume"), "a pause")
    assert 500 < healthy.status()["pause_left_s"] <= 600
    go_to("resume")
    browser.key("Enter")
    wait_until(lambda: browser.is_shown("#ask"), "the question")
    go_to("ask-yes")
    browser.key("Enter")
    wait_until(lambda: browser.is_shown("#pause"), "the end of the pause")
    assert healthy.status()["health"] == "healthy"


def test_arabic_runs_from_right_to_left(healthy, page, browse):
    """An Arabic browser gets Arabic, mirrored, with numbers and paths isolated; English is one press away and kept."""
    browser = shown(browse(language="ar"), page.url)
    assert browser.run("document.documentElement.dir + document.documentElement.lang") == "rtlar"
    assert browser.text("#state") == "يعمل · سليم"
    assert "بدأ التشغيل رقم \u20681\u2069" in browser.text("#facts")
    lamp, words = (
        browser.run(f"document.querySelector('{one}').getBoundingClientRect().x")
        for one in ("#headline .lamp", "#state")
    )
    assert lamp > words, "the lamp stands before the words, to their right"
    assert browser.run("getComputedStyle(document.querySelector('#log')).direction") == "ltr"
    unspoken = browser.run(
        "[...document.querySelectorAll('[data-word]')].filter((one) => one.checkVisibility()"
        " && /[a-z]{3}/i.test(one.textContent.replace('WATCHDOG_WEB_TOKEN', ''))).map((one) => one.textContent)"
    )
    assert unspoken == [], "all words of the page are Arabic"
    os.kill(healthy.child(), signal.SIGKILL)
    wait_until(lambda: "أُنهي بالإشارة \u2068SIGKILL\u2069" in browser.text("#facts"), "the cause in Arabic")
    browser.click("#language")
    wait_until(lambda: browser.run("document.documentElement.dir") == "ltr", "English")
    wait_until(lambda: browser.text("#state") == "Running · healthy", "English words")
    shown(browser, page.url)
    assert browser.run("document.documentElement.lang") == "en"
    assert clean(browser, page)


def test_an_incident_is_named_in_the_language_of_the_page(healthy, page, browse):
    """In Arabic its cause is said in Arabic, with the signal isolated; the next press says it in English again."""
    browser = shown(browse(language="ar"), page.url)
    os.kill(healthy.child(), signal.SIGKILL)
    wait_until(lambda: "SIGKILL" in browser.text("#incidents"), "the incident")
    assert "أُنهي بالإشارة" in browser.text("#incidents summary")
    browser.click("#language")
    wait_until(lambda: "killed by SIGKILL" in browser.text("#incidents summary"), "English")
    browser.click("#incidents summary")
    wait_until(lambda: "What happened" in browser.text("#incidents pre"), "its story")
    assert clean(browser, page)


def test_both_languages_have_the_same_words(page, browse):
    """No word is missing in one of them."""
    browser = shown(browse(), page.url)
    browser.run("import('/static/words.js').then((module) => { window.words = module.WORDS; })")
    words = browser.run("[Object.keys(window.words.en).sort(), Object.keys(window.words.ar).sort()]")
    assert words[0] == words[1]
    used = browser.run("[...document.querySelectorAll('[data-word]')].map((one) => one.dataset.word)")
    assert set(used) <= set(words[0])


@pytest.mark.parametrize("language", ["en-US", "ar"])
def test_a_small_phone_needs_no_sideways_scrolling(rig, browse, language):
    """At 360 px everything fits, with long names, long lines, long paths and tokens, and fingers hit the buttons."""
    token = {"firstPrice": 1e-9, "lastPrice": 1.23456789e-7, "name": "N" * 70, "symbol": "S" * 30}
    rig.write("tracked_tokens.json", json.dumps({"A" * 44: token, "B" * 44: {**token, "symbol": "B"}}))
    code = f"import time; print('x' * 900, flush=True); time.sleep(60) # {'y' * 300}"
    rig.run("--no-heartbeat", "--name", LONG, "--", "python3", "-c", code)
    rig.run("--no-heartbeat", "--name", "n" * 64, "--", "sleep", "60")
    page = Page(rig, "--name", LONG)
    browser = browse(language=language)
    browser.size(360, 740)
    shown(browser, page.url)
    wait_until(lambda: "xxxx" in browser.text("#log") and browser.is_shown("#tokens-card"), "all of it")
    wait_until(lambda: "nnnn" in browser.text("#everyone"), "the other one")
    sign_in(browser)
    wait_until(lambda: browser.is_shown("#restart"), "the actions")
    assert browser.run("document.documentElement.scrollWidth") <= 360
    outside = browser.run(
        "[...document.querySelectorAll('main *')]"
        ".filter((one) => one.checkVisibility() && !one.closest('.scroll, .chart'))"
        ".map((one) => [one, one.getBoundingClientRect()])"
        ".filter(([one, box]) => box.width && (box.left < -1 || box.right > 361))"
        ".map(([one]) => one.outerHTML.slice(0, 120))"
    )
    assert outside == []
    heights = browser.run(
        "[...document.querySelectorAll('#actions button:not([hidden])')].map((one) => one.offsetHeight)"
    )
    assert min(heights) >= 36
    assert browser.run(
        "document.querySelector('.scroll').scrollWidth <= document.querySelector('.scroll').clientWidth + 1"
    )


def test_dark_and_light_follow_the_system_and_the_person(page, browse):
    """The colours of the system hold until a person picks others, which are kept; words stay readable in both."""
    browser = browse()
    contrast = """(() => {
        const light = (text) => { const part = text.match(/[\\d.]+/g).slice(0, 3).map((one) => one / 255)
            .map((one) => one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4);
            return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2]; };
        const back = light(getComputedStyle(document.querySelector('.card')).backgroundColor);
        return ['#state', '.numbers dt', '#facts span', '.foot a', '.facts time'].map((one) => {
            const front = light(getComputedStyle(document.querySelector(one)).color);
            return (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05); });
    })()"""
    back = "getComputedStyle(document.body).backgroundColor"
    browser.size(900, 700, dark=False)
    shown(browser, page.url)
    light = browser.run(back)
    assert min(browser.run(contrast)) >= 4.5
    browser.size(900, 700, dark=True)
    dark = browser.run(back)
    assert dark != light
    assert min(browser.run(contrast)) >= 4.5
    browser.click("#theme")
    assert browser.run(back) == light
    shown(browser, page.url)
    assert browser.run(back) == light
    assert clean(browser, page)


def test_hostile_words_stay_words(healthy, page, browse):
    """Whatever a program prints, beats or is called, it is text on the page and never becomes part of it."""
    evil = "<img src=x onerror=window.evil=1><script>window.evil=1</script>"
    token = {"firstPrice": 1, "lastPrice": 2, "name": evil, "symbol": evil}
    healthy.write("tracked_tokens.json", json.dumps({evil: token}))
    beat = json.dumps({"status": "degraded", "message": evil})
    healthy.order(f"beat 0.2 {beat}")
    healthy.order(f"print {evil}")
    browser = shown(browse(), page.url)
    wait_until(lambda: browser.text("#note") == evil, "the message")
    wait_until(lambda: evil in browser.text("#log"), "the line")
    wait_until(lambda: evil in browser.text("#tokens"), "the token")
    assert browser.run("window.evil") is None
    assert browser.run("document.querySelectorAll('main img, main script').length") == 0
    assert clean(browser, page)


def test_the_page_comes_back_by_itself(healthy, page, browse):
    """When the page's process is gone one is told so, and when it is back everything goes on."""
    browser = shown(browse(), page.url)
    wait_until(lambda: browser.text("#link-text") == "live", "a living page")
    assert page.stop() == 0
    wait_until(lambda: browser.text("#link-text").startswith("connection lost"), "the loss", 40)
    again = Page(healthy, "--port", str(page.port))
    wait_until(lambda: browser.text("#link-text") == "live", "a living page", 40)
    healthy.order("print after the gap")
    wait_until(lambda: "after the gap" in browser.text("#log"), "the line")
    assert again.stop() == 0


def test_a_public_page_shows_nothing_before_the_token(healthy, browse):
    """On an address that others can reach the page asks for the token first, and then lives."""
    page = Page(healthy, "--host", "0.0.0.0")
    browser = browse()
    browser.open(page.url)
    wait_until(lambda: browser.is_shown("#login"), "the question for the token")
    assert browser.text("#uptime") == "–"
    assert "it works" not in browser.run("document.documentElement.outerHTML")
    browser.type(TOKEN)
    browser.key("Enter")
    wait_until(lambda: browser.text("#state") == "Running · healthy", "the page")
    wait_until(lambda: "it works" in browser.text("#log"), "the log")
    shown(browser, page.url)
    assert browser.is_shown("#restart")


def test_the_log_stays_where_one_reads(healthy, page, browse):
    """It follows the end, stays where a person has scrolled to, and can be narrowed to some lines."""
    browser = shown(browse(), page.url)
    for number in range(8):
        healthy.order(";".join(f"print line {number}-{nth}" for nth in range(10)))
    wait_until(lambda: "line 7-9" in browser.text("#log"), "the lines")
    box = "document.querySelector('#log')"
    end = f"{box}.scrollHeight - {box}.scrollTop - {box}.clientHeight"
    wait_until(lambda: browser.run(end) < 3, "the end of the log")
    browser.run("document.querySelector('#log').scrollTop = 0")
    wait_until(
        lambda: browser.run("document.querySelector('#follow').ariaPressed") == "false", "not following"
    )
    healthy.order("print one more")
    wait_until(lambda: "one more" in browser.text("#log"), "the line")
    assert browser.run("document.querySelector('#log').scrollTop") == 0
    browser.run("document.querySelector('#filter').focus()")
    browser.type("LINE 3-")
    wait_until(lambda: browser.text("#log").split("\n")[0] == "line 3-0", "only some lines")
    assert browser.text("#log").count("line") == 10
