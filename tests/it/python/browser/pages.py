"""The pages of the templates, from the disk as a person opens them: pages.py TEMPLATE PAGE ADDRESS FOLDER"""

import sys
from pathlib import Path
from urllib.parse import quote

from chromium import must, play, step


def opened(new, page, address, more=""):
    window = new()
    with step(window, "the page doesn't connect"):
        window.page.goto(f"{Path(page).as_uri()}?address={quote(address, safe='')}{more}")
        window.see('.state[data-state="open"]', "Connected")
    return window


def chat(new, page, address):
    ada = opened(new, page, address, "&room=lobby")
    bob = opened(new, page, address, "&room=lobby")
    for window, name in [(ada, "Ada"), (bob, "Bob")]:
        with step(window, f"{name} can't join"):
            must(window.page.locator("#text").is_disabled(), "one can write before one has joined")
            window.page.get_by_label("Your name").fill(name)
            window.page.get_by_role("button", name="Join").click()
            window.see("#members li", name)
            window.page.wait_for_selector("#text:enabled")
            must(window.page.evaluate("() => document.activeElement.id") == "text", "the focus isn't where one writes")
    with step(ada, "Ada isn't told of Bob"):
        ada.see("#log .note", "Bob joined")
        ada.see("#members li", "Bob")
    with step(bob, "Bob doesn't hear Ada"):
        ada.page.keyboard.type("<b>hello</b> & good morning")
        ada.page.keyboard.press("Enter")
        ada.see("#log .own", "<b>hello</b> & good morning")
        said = bob.see("#log .said", "<b>hello</b> & good morning")
        must(said.locator(".who").text_content() == "Ada", "it isn't Ada's")
        must(bob.page.locator("#log b").count() == 0, "what others write becomes markup")
    bob.page.get_by_label("Message", exact=True).fill("good morning, Ada")
    bob.page.get_by_role("button", name="Send").click()
    ada.see("#log .said", "good morning, Ada")
    ada.pictures("chat")
    with step(ada, "Ada isn't told that Bob left"):
        bob.page.get_by_role("button", name="Leave").click()
        ada.see("#log .note", "Bob left")
    with step(ada, "another room can't be entered"):
        ada.page.get_by_label("Room").fill("attic")
        ada.page.get_by_role("button", name="Change").click()
        ada.see("#members-title", "In attic")


def ticker(new, page, address):
    window = opened(new, page, address)
    with step(window, "no price is drawn"):
        for symbol in ("ACME", "BREW", "ORBT"):
            card = window.see(".card", symbol)
            card.locator(".price:not(.none)").wait_for()
            card.locator("svg polyline[points]").wait_for(state="attached")
    with step(window, "a symbol can't be chosen"):
        wool = window.page.get_by_role("button", name="WOOL", exact=True)
        wool.click()
        window.see(".card", "Highland Wool").locator(".price:not(.none)").wait_for()
        must(wool.get_attribute("aria-pressed") == "true", "it isn't shown as chosen")
    with step(window, "prices don't move"):
        drawn = "() => document.querySelector('.card polyline').getAttribute('points').split(' ').length"
        before = window.page.evaluate(drawn)
        window.page.wait_for_function(f"(before) => ({drawn})() > before + 2", arg=before)
    window.pictures("ticker")
    with step(window, "a symbol can't be left"):
        window.page.get_by_role("button", name="Unsubscribe from ACME").click()
        window.page.wait_for_function("() => document.querySelectorAll('.card').length === 3")
        left = window.page.evaluate("() => document.activeElement.textContent")
        must(left == "ACME", f"the focus is on {left}")
    late = opened(new, page, address, "&symbols=TIDE")
    with step(late, "who comes late waits for a price"):
        late.see(".card", "Tidewater Power").locator(".price:not(.none)").wait_for()


template, page, address, folder = sys.argv[1:]
play(folder, lambda new: {"chat": chat, "ticker": ticker}[template](new, page, address))
print("the page works")
