/** The code blocks of a Markdown page that carry a mark `<!-- run: how, shows: text -->`, and how to run them. */

/** One marked block. */
export interface MarkedBlock {
  /** server: started first and left running; client: needs it; offline: needs nothing. */
  readonly how: "server" | "client" | "offline";
  readonly language: string;
  readonly code: string;
  /** Must appear in what it prints. */
  readonly shows: string;
}

const BLOCK =
  /<!-- run: (?<how>server|client|offline)(?:, shows: (?<shows>.*?))? -->\n+```(?<language>\w+)\n(?<code>[\s\S]*?)\n```/g;

export function markedBlocks(markdown: string): MarkedBlock[] {
  return [...markdown.matchAll(BLOCK)].map((match) => {
    const { how, shows = "", language, code } = match.groups as Record<string, string>;
    return { how: how as MarkedBlock["how"], shows, language: language!, code: code! };
  });
}
