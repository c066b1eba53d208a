/** The playground over the embedded model: the stage moves, and a seed gives the same text. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { systemClock } from "../../src/core/clock.ts";
import { createServer } from "../../src/serving/create-server.ts";
import { createLogger } from "../../src/serving/logger.ts";
import { startTestEngine } from "../actors/test-engine.ts";
import { CONFIG } from "../serving/test-server.ts";
import { openPage, skip, startBrowser } from "./browser.ts";

test("pages fill, are shared and freed while a crowd is answered; a seed gives the same text", {
  skip,
}, async (t) => {
  await using started = await startTestEngine();
  const server = createServer({
    engine: started.engine,
    config: CONFIG,
    logger: createLogger({ level: "silent", format: "json" }, { write: () => undefined }),
    version: "0.0.0",
    clock: systemClock,
  });
  t.after(() => server.close());
  const { url } = await server.listen();
  const browser = await startBrowser();
  t.after(() => browser.close());
  await using opened = await openPage(browser, url);
  const { page, problems } = opened;

  const pages = page.locator("#pages-text");
  await pages.getByText("1024 pages: 1024 free, 0 cached, 0 used, 0 shared.").waitFor();
  const picture = (): Promise<unknown> => page.evaluate("document.getElementById('page-map').toDataURL()");
  const empty = await picture();
  await page.getByRole("button", { name: "Send a crowd" }).click();
  await pages.getByText(/ [1-9]\d* used, [1-9]\d* shared\.$/).waitFor();
  assert.notEqual(await picture(), empty);
  await pages.getByText(/ [1-9]\d* cached, 0 used, 0 shared\.$/).waitFor();
  await page
    .locator("#steps-legend")
    .getByText(/execute \d+\.\d\d ms/)
    .waitFor();
  const handled = page
    .getByRole("row", { name: /scheduler/ })
    .getByRole("cell")
    .nth(2);
  assert.ok(Number((await handled.textContent())?.replaceAll(",", "")) > 100);
  assert.equal(await page.locator("#cast tr").count(), 6);

  await page.getByLabel("Seed").fill("7");
  await page.getByLabel("Temperature").fill("1.5");
  await page.getByRole("textbox", { name: "Message", exact: true }).fill("Tell me a story about an owl.");
  await page.keyboard.press("Enter");
  const answer = page.locator(".assistant").last();
  const text = async (): Promise<string | null> => {
    await answer
      .locator(".meta")
      .getByText(/complete$/)
      .waitFor();
    return await answer.locator(".text").textContent();
  };
  const first = await text();
  assert.ok(first !== null && first.length > 20);
  await answer.getByRole("button", { name: "Retry" }).click();
  assert.equal(await text(), first);
  await page.getByLabel("Seed").fill("8");
  await answer.getByRole("button", { name: "Retry" }).click();
  assert.notEqual(await text(), first);
  assert.deepEqual(problems, []);
});
