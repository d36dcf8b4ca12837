// Drives the console in headless Chromium, as a person would: node console.mjs URL FOLDER
//
// The cloud at URL has a deployed API with a route `ping` that answers, and a dead-letter queue with messages in it. Writes
// screenshots into FOLDER; ends with 1 and one line that says what wasn't so.
//
// Chromium is at $CHROMIUM, or /usr/bin/chromium; $ROUTE is another route than `ping`.
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const [url, folder] = process.argv.slice(2);
if (!url || !folder) {
  console.error("node console.mjs URL FOLDER");
  process.exit(2);
}
const ROUTE = process.env.ROUTE ?? "ping";
const PATIENCE = 20_000;
const profile = mkdtempSync(join(tmpdir(), "console-"));
mkdirSync(folder, { recursive: true });

const browser = await chromium.launchPersistentContext(profile, {
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  headless: true,
  viewport: { width: 1400, height: 900 },
  colorScheme: "light",
  args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});
browser.setDefaultTimeout(PATIENCE);
const page = browser.pages()[0] ?? (await browser.newPage());
const wrong = [];
page.on("pageerror", (error) => wrong.push(`the page failed: ${error.message}`));
page.on("console", (said) => { if (said.type() === "error") wrong.push(`the page said: ${said.text()}`); });
const foreign = [];
page.on("request", (request) => { if (!/^(data:|blob:)/.test(request.url()) && new URL(request.url()).host !== new URL(url).host) foreign.push(request.url()); });

/** Does a step; its words say what wasn't so if it fails. */
async function step(words, act) {
  try {
    return await act();
  } catch (error) {
    await page.screenshot({ path: join(folder, "failed.png") }).catch(() => {});
    throw new Error(`${words}: ${String(error.message).split("\n")[0]}`);
  }
}

function must(is, words) {
  if (!is) throw new Error(words);
}

const see = (selector, text) => page.locator(selector).filter({ hasText: text }).first().waitFor();
const go = (view) => page.click(`nav a[href="#${view}"]`);
const pictures = async (name) => {
  for (const [width, height] of [[1400, 900], [380, 800]]) {
    for (const colorScheme of ["light", "dark"]) {
      await page.setViewportSize({ width, height });
      await page.emulateMedia({ colorScheme });
      // Two frames: what is drawn at the next one is drawn.
      await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
      const over = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
      must(over <= 0, `${name} is ${over} pixels wider than a window of ${width}`);
      await page.screenshot({ path: join(folder, `${name}-${width}-${colorScheme}.png`) });
    }
  }
  await page.setViewportSize({ width: 1400, height: 900 });
  await page.emulateMedia({ colorScheme: "light" });
};

try {
  await step("the page doesn't find its cloud", async () => {
    await page.goto(url);
    await page.waitForSelector("#cloud.is-up");
  });
  await step("the stage can't be connected to", async () => {
    await page.click("#connect");
    await see("#socket-state", "connected");
  });
  await step(`the route ${ROUTE} can't be picked, or proposes no frame`, async () => {
    await page.locator(".route").filter({ hasText: ROUTE }).first().click();
    const frame = await page.inputValue("#text");
    must(frame.includes(`"${ROUTE}"`), `it proposes ${frame}`);
  });
  await step("the frame isn't answered", async () => {
    await page.click("#send");
    await page.waitForSelector("#frames .out");
    await page.waitForSelector("#frames .in");
    const took = await page.locator("#frames .in .took").first().textContent();
    must(/ ms| s/.test(took), `no round trip is told: ${took}`);
  });
  await step("the handler's line isn't among the logs", async () => {
    await page.waitForSelector("#lines li:not(.missed)");
  });
  await pictures("send");

  await go("connections");
  await step("the connection isn't there", () => page.waitForSelector("#connections tbody tr"));
  await step("a text can't be pushed to it", async () => {
    await page.getByRole("button", { name: "Push" }).first().click();
    await page.fill("#push-text", '{"pushed":"by the console"}');
    await page.locator("#push button.main").click();
    await see("#push", "pushed at");
    must((await page.locator("#frames .in").allTextContents()).some((text) => text.includes("by the console")), "it didn't come in");
  });
  await pictures("connections");

  await go("queues");
  const dead = page.locator("#queues tr").filter({ hasText: "dead letters of" }).first();
  await step("there is no dead-letter queue", () => dead.waitFor());
  await step("its messages can't be seen", async () => {
    await dead.getByRole("button", { name: "Look" }).click();
    await page.waitForSelector("#messages li");
  });
  await pictures("queues");
  await step("it can't be redriven", async () => {
    await dead.getByRole("button", { name: "Redrive" }).click();
    await see("#messages", "It's empty");
    await page.waitForFunction(() => [...document.querySelectorAll("#queues tr")].some((row) => row.textContent.includes("dead letters of") && row.querySelector("td.n").textContent === "0"));
  });

  await go("logs");
  await step("the logs can't be filtered", async () => {
    await page.fill("#filter", "nothing has this text in it");
    await see("#logs-state", "No line has that");
    await page.fill("#filter", "");
    await page.waitForSelector("#lines li");
    await page.click("#pause");
    await see("#logs-state", "Paused");
    await page.click("#pause");
  });
  await pictures("logs");

  await go("resources");
  await step("the resources aren't there", async () => {
    await see("#resources .api dt", ROUTE);
    must(!(await page.innerText("main")).includes("[object"), "something isn't put into words");
  });
  await pictures("resources");

  await go("metrics");
  await step("nothing is plotted", () => page.waitForSelector("#metrics .plot .curve[d^=M]"));
  await pictures("metrics");

  await step("the keyboard doesn't reach the views", async () => {
    await page.focus("nav a");
    await page.keyboard.press("Enter");
    await page.waitForSelector("#view-send:visible");
    await page.focus("#text");
    const before = await page.locator("#frames .out").count();
    await page.keyboard.press("Control+Enter");
    await page.waitForFunction((before) => document.querySelectorAll("#frames .out").length > before, before);
  });

  await go("connections");
  await step("a connection can't be closed", async () => {
    const close = page.getByRole("button", { name: "Close" }).first();
    await close.click();
    await page.getByRole("button", { name: "Close it?" }).click();
    await see("#connections", "Nobody is connected");
  });
  must(foreign.length === 0, `the page asked elsewhere: ${foreign.join(", ")}`);
  must(wrong.length === 0, wrong.join("; "));
  console.log("the console works");
} catch (error) {
  console.error(error.message);
  for (const line of wrong) console.error(line);
  process.exitCode = 1;
} finally {
  await browser.close();
  rmSync(profile, { recursive: true, force: true });
}
