/**
 * What a configuration file of another serving system must tell: whether it is one, and what its keys come to here.
 * Every key either acts or is reported as having no effect; an unknown one is an error, as in Troupe's own files.
 */
import type { PartialConfig } from "../load-config.ts";

/** A file's top level: decoded YAML or JSON. */
export type FileSections = Readonly<Record<string, unknown>>;

/** Where a file comes from. */
export interface DialectSource {
  /** As messages call the file. */
  readonly shownAs: string;
  /** The folder of the file, from which relative paths in it count. */
  readonly folder: string;
  /** Environment variables, which some systems let win over the file. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What a file of another system comes to. */
export interface Translation {
  /** Relative paths in it count from the file, as in Troupe's own files. */
  readonly sections: PartialConfig;
  /** Dotted paths of keys that the file sets and that do nothing here. */
  readonly noEffect: readonly string[];
}

/** One system's configuration format. */
export interface ConfigDialect {
  /** As messages and docs call the system. */
  readonly name: string;
  /** Whether the keys at the top are this system's; the values are not looked at. */
  recognises(file: FileSections): boolean;
  /** @throws TroupeError `invalid_config` naming the dotted path, the value and what would do */
  translate(file: FileSections, source: DialectSource): Translation;
}
