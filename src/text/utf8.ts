/**
 * UTF-8 as it arrives, piece by piece. Bytes are kept as binary strings (one character from U+0000 to U+00FF for each
 * byte): they concatenate cheaply and travel between threads as they are.
 */

/** Whether bytes that should be one character are one, may become one, or never will. */
export type CharacterStatus = "complete" | "partial" | "invalid";

/**
 * Looks at the bytes of at most one character.
 *
 * @param binary one to four bytes as a binary string.
 */
export function characterStatus(binary: string): CharacterStatus {
  const lead = binary.charCodeAt(0);
  const length = sequenceLength(lead);
  if (length === 0 || binary.length > length) return "invalid";
  for (let i = 1; i < binary.length; i++) {
    const byte = binary.charCodeAt(i);
    const [low, high] = i === 1 ? secondByteRange(lead) : [0x80, 0xbf];
    if (byte < low || byte > high) return "invalid";
  }
  return binary.length === length ? "complete" : "partial";
}

/** Length of the sequence a lead byte opens; 0 when it opens none. Table 3-7 of the Unicode standard. */
function sequenceLength(lead: number): number {
  if (lead < 0x80) return 1;
  if (lead < 0xc2 || lead > 0xf4) return 0;
  return lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
}

function secondByteRange(lead: number): readonly [number, number] {
  if (lead === 0xe0) return [0xa0, 0xbf];
  if (lead === 0xed) return [0x80, 0x9f];
  if (lead === 0xf0) return [0x90, 0xbf];
  if (lead === 0xf4) return [0x80, 0x8f];
  return [0x80, 0xbf];
}

/** How many bytes at the end (0 to 3) are the beginning of a character that later bytes may complete. */
export function partialTailLength(binary: string): number {
  for (let length = 1; length <= Math.min(3, binary.length); length++) {
    const isContinuation = (binary.charCodeAt(binary.length - length) & 0xc0) === 0x80;
    if (isContinuation) continue;
    return characterStatus(binary.slice(-length)) === "partial" ? length : 0;
  }
  return 0;
}

/** Decodes; each maximal invalid part becomes one U+FFFD, as Rust's `from_utf8_lossy` does. */
export function decodeLossy(binary: string): string {
  return Buffer.from(binary, "latin1").toString("utf8");
}

/** The UTF-8 bytes of a text as a binary string. */
export function toBinary(text: string): string {
  return Buffer.from(text, "utf8").toString("latin1");
}
