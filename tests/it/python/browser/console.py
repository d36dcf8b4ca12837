"""The embedded cloud's console, with the template `chat` deployed: console.py SCENE URL FOLDER

`day`: a message there and back, and all there is to see, one dead letter among it.
`mend`: a version 2 is live that can do what the first couldn't: the dead letter is moved back, and is heard.
"""

import sys
from urllib.parse import urlsplit

from chromium import must, play, step


def ms(text):
    return any(text.strip().startswith(digit) for digit in "0123456789") and (" ms" in text or " s" in text)


def opened(window, url):
    """The page, connected to the stage."""
    page = window.page
    with step(window, "the page doesn't find its cloud"):
        page.goto(url)
        page.wait_for_selector("#cloud.is-up")
    with step(window, "the stage can't be connected to"):
        page.click("#connect")
        window.see("#socket-state", "connected")


def say(window, route, frame):
    """Picks a route and sends a frame."""
    page = window.page
    page.locator(".route").filter(has_text=route).first.click()
    must(f'"{route}"' in page.input_value("#text"), f"the route {route} proposes {page.input_value('#text')}")
    page.fill("#text", frame)
    page.click("#send")
    window.see("#frames .out", route)


def show(window, view):
    window.page.click(f'nav a[href="#{view}"]')
    window.page.wait_for_selector(f"#view-{view}:visible")


def day(window, url):
    page = window.page
    opened(window, url)
    with step(window, "the queued route doesn't answer"):
        say(window, "join", '{"action":"join","room":"lobby","name":"Bob"}')
        window.see("#frames .in", '"welcome"')
    with step(window, "the direct route doesn't answer"):
        say(window, "who", '{"action":"who","room":"lobby"}')
        answer = window.see("#frames .in", '"members"')
        must('["Ada","Bob"]' in answer.text_content(), f"it says {answer.text_content()}")
        took = answer.locator(".took").text_content()
        must(ms(took), f"no round trip is told: {took}")
    with step(window, "a frame that isn't JSON isn't told from one that is"):
        page.fill("#text", "{not JSON")
        window.see("#frame-state", "not JSON")
    with step(window, "the handlers' lines aren't among the logs"):
        window.see("#lines li", "connection opened")
        window.see("#lines li.error", "boom isn't for this room")
    window.pictures("send")

    show(window, "connections")
    with step(window, "the two connections aren't there"):
        page.wait_for_function("() => document.querySelectorAll('#connections tbody tr').length === 2")
        must(page.text_content("#n-connections") == "2", "the count beside the view's name is another")
    with step(window, "a text can't be pushed to one"):
        mine = page.locator("#connections tr").filter(has_text="Chrome").last
        mine.get_by_role("button", name="Push").click()
        page.fill("#push-text", '{"pushed":"by the console"}')
        page.locator("#push button.main").click()
        window.see("#push", "pushed at")
    window.pictures("connections")
    show(window, "send")
    with step(window, "what was pushed didn't come in"):
        window.see("#frames .in", "by the console")

    show(window, "queues")
    dead = page.locator("#queues tr").filter(has_text="dead letters of chat-dev-chat.fifo")
    with step(window, "the dead letter isn't counted"):
        dead.wait_for()
        must(dead.locator("td.n.bad").text_content() == "1", f"it says {dead.text_content()}")
        must("bad" in page.locator("#n-queues").get_attribute("class"), "the count beside the view's name isn't marked")
    with step(window, "the dead letter can't be looked at"):
        dead.get_by_role("button", name="Look").click()
        window.see("#messages li", '"text":"boom"')
    window.pictures("queues")

    show(window, "logs")
    with step(window, "the logs can't be narrowed down"):
        page.fill("#filter", "nothing has this text in it")
        window.see("#logs-state", "No line has that")
        page.fill("#filter", "boom")
        window.see("#lines li.error", "boom")
        must(page.locator("#lines li").count() == 1, "other lines are there too")
        page.fill("#filter", "")
        page.click("#pause")
        window.see("#logs-state", "Paused")
        page.click("#pause")
    window.pictures("logs")

    show(window, "resources")
    with step(window, "the resources aren't there"):
        for kind, name in [("Functions", "chat-dev-chat"), ("Tables", "chat-dev-connections"), ("Roles", "chat-dev-push")]:
            window.see(f"#part-{kind} tr", name)
        window.see("#resources .api dt", "$default")
        window.see("#part-Alarms tr", "dead-letters")
        must("[object" not in page.inner_text("main"), "something isn't put into words")
    window.pictures("resources")

    show(window, "metrics")
    with step(window, "nothing is plotted"):
        page.wait_for_selector("#metrics .plot.some .curve[d^=M]")
    window.pictures("metrics")

    with step(window, "the keyboard doesn't do it"):
        page.focus('nav a[href="#send"]')
        page.keyboard.press("Enter")
        page.wait_for_selector("#view-send:visible")
        page.focus("#text")
        page.fill("#text", '{"action":"who","room":"lobby","by":"keyboard"}')
        page.keyboard.press("Control+Enter")
        window.see("#frames .out", "keyboard")


def mend(window, url):
    page = window.page
    opened(window, url)
    say(window, "join", '{"action":"join","room":"lobby","name":"Bob"}')
    window.see("#frames .in", '"welcome"')
    show(window, "resources")
    with step(window, "the mended handler isn't live"):
        window.see("#part-Functions tr", "live → 2")

    show(window, "queues")
    dead = page.locator("#queues tr").filter(has_text="dead letters of chat-dev-chat.fifo")
    with step(window, "the dead letter isn't moved back"):
        dead.get_by_role("button", name="Redrive").click()
        window.see("#notice.good", "1 message was moved back")
        dead.locator("td.n.zero").first.wait_for()
    show(window, "send")
    with step(window, "what was moved back isn't heard"):
        window.see("#frames .in", '"name":"Ada","text":"boom"')

    show(window, "connections")
    with step(window, "a connection can't be closed"):
        mine = page.locator("#connections tr").filter(has_text="Chrome").last
        mine.get_by_role("button", name="Close").click()
        page.get_by_role("button", name="Close it?").click()
        page.wait_for_function("() => document.querySelectorAll('#connections tbody tr').length === 1")
    show(window, "send")
    with step(window, "the page doesn't say that it was closed"):
        window.see("#frames .note", "closed, 1000")


scene, url, folder = sys.argv[1:]
play(folder, lambda new: {"day": day, "mend": mend}[scene](new(urlsplit(url).netloc), url))
print("the console works")
