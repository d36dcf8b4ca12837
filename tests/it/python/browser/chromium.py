"""Debian's Chromium, driven as a person would. What isn't so ends the script with one line that says it."""

import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Error, sync_playwright

# Of the machine's own installation: the driver's own browsers are not downloaded.
CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
# For each thing that is waited for, in milliseconds: generous, since the machine may be busy.
PATIENCE = 60_000
WIDE, NARROW = (1400, 900), (380, 800)
# What the rules of accessibility are held to: WCAG 2.2 up to level AA, contrast among it.
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]


class Wrong(Exception):
    """Something isn't as it should be."""


def must(is_so, words):
    if not is_so:
        raise Wrong(words)


class Window:
    """A page in a window, and all that went wrong in it."""

    def __init__(self, page, folder, host=None):
        self.page = page
        self.folder = Path(folder)
        self.wrong = []
        page.on("pageerror", lambda error: self.wrong.append(f"the page failed: {error}"))
        page.on("console", lambda said: said.type == "error" and self.wrong.append(f"the page said: {said.text}"))
        page.on("request", lambda request: self.asked(request.url, host))

    def asked(self, url, host):
        """The page asks nobody but its own host."""
        if host and not url.startswith(("data:", "blob:", f"http://{host}/", f"ws://{host}/")):
            self.wrong.append(f"the page asked elsewhere: {url}")

    def see(self, selector, text=None):
        """Waits until this is seen, with this text in it."""
        found = self.page.locator(selector)
        found = found.filter(has_text=text) if text else found
        found.first.wait_for()
        return found.first

    def pictures(self, name):
        """Looks at the page wide and narrow, light and dark: it fits the window, and everybody can read it."""
        for size in (WIDE, NARROW):
            for scheme in ("light", "dark"):
                width, height = size
                self.page.set_viewport_size({"width": width, "height": height})
                self.page.emulate_media(color_scheme=scheme)
                # Two frames: what is drawn at the next one is drawn.
                self.page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
                self.page.screenshot(path=self.folder / f"{name}-{width}-{scheme}.png")
                over = self.page.evaluate("() => document.documentElement.scrollWidth - innerWidth")
                if over > 0:
                    self.wrong.append(f"{name} is {over} pixels wider than a window of {width}")
                self.is_for_everybody(f"{name}, {width} wide, {scheme}")
        width, height = WIDE
        self.page.set_viewport_size({"width": width, "height": height})
        self.page.emulate_media(color_scheme="light")

    def is_for_everybody(self, name):
        options = {"runOnly": {"type": "tag", "values": RULES}, "resultTypes": ["violations"]}
        found = Axe().run(self.page, options=options).response["violations"]
        told = [f"{name}: {one['id']}: {one['help']}: {node['html'][:200]}" for one in found for node in one["nodes"]]
        # All of them are told, and the story goes on.
        self.wrong += told


@contextmanager
def step(window, words):
    """What is done within; its words say what wasn't so if it fails."""
    try:
        yield
    except (Error, Wrong) as error:
        window.page.screenshot(path=window.folder / "failed.png")
        raise Wrong(f"{words}: {str(error).strip()}") from error


def play(folder, story):
    """Opens a browser and plays a story in it: `story(new)`, where `new(host)` opens a window."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    with sync_playwright() as driver, tempfile.TemporaryDirectory() as profile:
        width, height = WIDE
        browser = driver.chromium.launch_persistent_context(
            profile,
            executable_path=CHROMIUM,
            headless=True,
            viewport={"width": width, "height": height},
            color_scheme="light",
            args=ARGUMENTS,
        )
        browser.set_default_timeout(PATIENCE)
        windows = []

        def new(host=None):
            windows.append(Window(browser.new_page(), folder, host))
            return windows[-1]

        wrong = []
        try:
            story(new)
        except (Error, Wrong) as error:
            wrong.append(str(error))
        wrong += [words for window in windows for words in window.wrong]
        browser.close()
    if wrong:
        sys.exit("\n".join(wrong))
