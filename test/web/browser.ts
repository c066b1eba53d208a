/** A real headless Chromium on a page of our server, and a wire between them that a test can cut. */
import { existsSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

const PATHS = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const executablePath = [process.env.TROUPE_CHROMIUM ?? "", ...PATHS].find((path) => existsSync(path));

/** Why the tests of a page cannot run here; false when they can. */
export const skip =
  executablePath === undefined &&
  "no Chromium on this machine: install it (Debian: apt-get install chromium) or set TROUPE_CHROMIUM to its path";

/** Without these, Chromium looks for hosts of its maker at every start. */
const QUIET = [
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];
const PATIENCE_MS = 20_000;

export async function startBrowser(): Promise<Browser> {
  const args = ["--no-sandbox", "--disable-gpu", ...QUIET];
  return await chromium.launch({ executablePath: executablePath!, args });
}

/** A page, and everything that went wrong on it. */
export interface OpenPage extends AsyncDisposable {
  readonly page: Page;
  readonly problems: string[];
}

export async function openPage(
  browser: Browser,
  url: string,
  options: BrowserContextOptions & { readonly awaits?: string } = {},
): Promise<OpenPage> {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const problems: string[] = [];
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) problems.push(message.text());
  });
  page.on("pageerror", (error) => problems.push(error.message));
  await page.goto(url);
  await page.getByText(options.awaits ?? "Connected").waitFor();
  return { page, problems, [Symbol.asyncDispose]: () => context.close() };
}

/** A TCP relay to a port. */
export interface Wire extends AsyncDisposable {
  readonly url: string;
  /** Cuts every connection, as a lost network does. */
  cut(): void;
}

export async function startWire(port: number): Promise<Wire> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on("error", () => undefined);
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
      from.pipe(to);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address() as { readonly port: number };
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${address.port}/`,
    cut,
    [Symbol.asyncDispose]: async () => {
      cut();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
