/** Reads the comments of configs/understudy.yaml: the one place where configuration keys are explained. */

/** One key as the file explains it. */
export interface KeyReference {
  /** Dotted path. */
  readonly path: string;
  readonly meaning: string;
  /** What it may be, in words. */
  readonly range: string;
  /** The default in words, as YAML except for paths. */
  readonly defaultText: string;
  /** The value that the file sets, as written. */
  readonly value: string;
}

const COMMENT = /^ {2}# (?<meaning>.+?) \[(?<range>.+); default: (?<default>.+)\]$/;
const KEY = /^ {2}(?<key>\w+): (?<value>.+)$/;
const SECTION = /^(?<section>\w+):$/;

/**
 * Every key of the file with the comment line above it. A key without a comment of the form
 * `# Meaning. [range; default: value]` comes back with empty texts.
 */
export function configReference(yaml: string): KeyReference[] {
  const keys: KeyReference[] = [];
  let section = "";
  let previous = "";
  for (const line of yaml.split("\n")) {
    section = SECTION.exec(line)?.groups?.section ?? section;
    const key = KEY.exec(line)?.groups;
    if (key !== undefined) {
      const comment = COMMENT.exec(previous)?.groups;
      keys.push({
        path: `${section}.${key.key}`,
        meaning: comment?.meaning ?? "",
        range: comment?.range ?? "",
        defaultText: comment?.default ?? "",
        value: key.value!,
      });
    }
    previous = line;
  }
  return keys;
}
