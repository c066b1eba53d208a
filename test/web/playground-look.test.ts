/** How the playground is built: names for everything, contrast, widths, motion. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Browser, Page } from "playwright-core";
import { startServer } from "../serving/test-server.ts";
import { openPage, skip, startBrowser } from "./browser.ts";

const MIN_CONTRAST = 4.5;

let browser: Browser;
before(async () => {
  if (skip === false) browser = await startBrowser();
});
after(() => browser?.close());

async function converse(page: Page): Promise<void> {
  await page.getByRole("textbox", { name: "Message", exact: true }).fill("A word".repeat(60));
  await page.keyboard.press("Enter");
  await page.getByText(/complete$/).waitFor();
}

test("everything that can be used has a name, and the page has landmarks and ordered headings", {
  skip,
}, async (t) => {
  const { url } = await startServer(t);
  await using opened = await openPage(browser, url);
  const { page } = opened;
  await converse(page);
  const tree = await page.locator("body").ariaSnapshot();
  for (const role of ["button", "textbox", "spinbutton", "img", "link", "table", "region", "main"]) {
    assert.match(tree, new RegExp(`- '?${role}\\b`), role);
    assert.doesNotMatch(tree, new RegExp(`- ${role}:?$`, "m"), `a ${role} without a name`);
  }
  assert.match(tree, /- banner/);
  const levels = [...tree.matchAll(/- heading .*\[level=(\d)\]/g)].map(([, level]) => Number(level));
  assert.equal(levels[0], 1);
  for (const [index, level] of levels.entries())
    assert.ok(index === 0 || level <= levels[index - 1]! + 1, levels.join());
  assert.equal(await page.evaluate("document.documentElement.lang"), "en");
  assert.equal(
    await page.evaluate("new Set([...document.querySelectorAll('[id]')].map((node) => node.id)).size"),
    await page.locator("[id]").count(),
  );
});

test("text has contrast in both themes", { skip }, async (t) => {
  const { url } = await startServer(t);
  await using opened = await openPage(browser, url);
  const { page } = opened;
  await converse(page);
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    const pairs = (await page.evaluate(READ_COLOURS)) as [string, string, string][];
    assert.ok(pairs.length > 30);
    for (const [text, ink, paper] of pairs)
      assert.ok(
        contrast(ink, paper) >= MIN_CONTRAST,
        `${text}: ${ink} on ${paper} is ${contrast(ink, paper)}`,
      );
  }
});

test("the theme can be chosen and is remembered", { skip }, async (t) => {
  const { url } = await startServer(t);
  await using opened = await openPage(browser, url, { colorScheme: "light" });
  const { page, problems } = opened;
  const paper = (): Promise<unknown> => page.evaluate("getComputedStyle(document.body).backgroundColor");
  const light = await paper();
  await page.getByRole("button", { name: "Theme: system" }).click();
  assert.equal(await paper(), light);
  await page.getByRole("button", { name: "Theme: light" }).click();
  const dark = await paper();
  assert.notEqual(dark, light);
  await page.reload();
  await page.getByRole("button", { name: "Theme: dark" }).waitFor();
  assert.equal(await paper(), dark);
  assert.deepEqual(problems, []);
});

test("at any width nothing scrolls sideways and every part can be reached", { skip }, async (t) => {
  const { url } = await startServer(t);
  await using opened = await openPage(browser, url);
  const { page, problems } = opened;
  await converse(page);
  for (const width of [320, 390, 820, 1100, 1440]) {
    await page.setViewportSize({ width, height: 700 });
    for (const [view, heading] of [
      ["Sampling", "Sampling"],
      ["Stage", "Stage"],
      ["Chat", "Conversation"],
    ] as const) {
      const button = page.getByRole("button", { name: view, exact: true });
      if (await button.isVisible()) await button.click();
      await page.getByRole("heading", { name: heading }).waitFor();
      const size = "[document.documentElement.scrollWidth, document.documentElement.scrollHeight]";
      assert.deepEqual(await page.evaluate(size), [width, 700]);
    }
  }
  assert.deepEqual(problems, []);
});

test("who wants no motion gets none", { skip }, async (t) => {
  const { url } = await startServer(t);
  await using opened = await openPage(browser, url, { reducedMotion: "reduce" });
  const moving = `[...document.querySelectorAll("*")].filter((node) => {
    const { transitionDuration, animationName } = getComputedStyle(node);
    return transitionDuration !== "0s" || animationName !== "none";
  }).length`;
  assert.equal(await opened.page.evaluate(moving), 0);
});

/** [text, its colour, the colour behind it] of every element that shows text of its own. */
const READ_COLOURS = `[...document.querySelectorAll("body *")].flatMap((node) => {
  const text = [...node.childNodes].filter((child) => child.nodeType === 3).map((child) => child.data).join("").trim();
  const { width, height } = node.getBoundingClientRect();
  if (text === "" || width < 2 || height < 2 || node.closest(".visually-hidden, .skip-link, noscript, dialog")) return [];
  let behind = node;
  while (behind !== null && getComputedStyle(behind).backgroundColor === "rgba(0, 0, 0, 0)") behind = behind.parentElement;
  return [[text.slice(0, 30), getComputedStyle(node).color, getComputedStyle(behind ?? document.body).backgroundColor]];
})`;

function contrast(a: string, b: string): number {
  const [high, low] = [luminance(a), luminance(b)].toSorted((x, y) => y - x);
  return (high! + 0.05) / (low! + 0.05);
}

/** Relative luminance after WCAG 2.2 of `rgb(r, g, b)`. */
function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [...colour.matchAll(/[\d.]+/g)].map(([part]) => {
    const level = Number(part) / 255;
    return level <= 0.04045 ? level / 12.92 : ((level + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
