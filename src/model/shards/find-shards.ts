/**
 * The shards of a split folder: rank-00000-of-00002, rank-00001-of-00002. Each says in its manifest what it was cut from
 * and by which strategy, so one that is missing, renamed or of another model is noticed before a weight is read.
 */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { TroupeError } from "../../errors/troupe-error.ts";
import { sha256 } from "../compile/content-hash.ts";
import { readOptionalJson } from "../json-file.ts";
import { parseStrategy, STRATEGY_FILE, type Strategy } from "../tensor-parallel/strategy.ts";
import { MANIFEST_FILE, readManifest, type WeightsManifest } from "../weights-manifest.ts";

const SHARD_NAME = /^rank-(\d{5})-of-(\d{5})$/;

/** The folder of a rank's shard. */
export function shardName(rank: number, size: number): string {
  const digits = (value: number) => String(value).padStart(5, "0");
  return `rank-${digits(rank)}-of-${digits(size)}`;
}

/** A whole set of shards. */
export interface Shards {
  /** Folders by rank. */
  readonly dirs: readonly string[];
  readonly strategy: Strategy;
  /** Hash of the strategy's file. */
  readonly strategyHash: string;
  /** What all shards agree on; `shard` and `files` are those of rank 0. */
  readonly manifest: WeightsManifest;
  /** By rank. */
  readonly manifests: readonly WeightsManifest[];
}

interface Found {
  readonly name: string;
  readonly rank: number;
  readonly size: number;
  readonly manifest: WeightsManifest;
}

/**
 * @returns null when the folder holds no shards
 * @throws TroupeError `invalid_model` naming a shard that is missing, unfinished, renamed or foreign
 */
export async function findShards(dir: string): Promise<Shards | null> {
  const names = (await readdir(dir).catch(() => [])).filter((name) => SHARD_NAME.test(name)).sort();
  if (names.length === 0) return null;
  const found: Found[] = [];
  for (const name of names) found.push(await readShard(dir, name));
  checkNames(dir, found);
  checkAlike(dir, found);
  const dirs = found.map(({ name }) => join(dir, name));
  const manifests = found.map(({ manifest }) => manifest);
  const { strategy, strategyHash } = await readStrategy(dirs[0]!, found[0]!);
  return { dirs, strategy, strategyHash, manifest: manifests[0]!, manifests };
}

async function readShard(dir: string, name: string): Promise<Found> {
  const path = join(dir, name);
  const manifest = await readManifest(path);
  if (manifest === undefined)
    throw bad(`${path} has no ${MANIFEST_FILE}: it is no shard, or an incomplete copy`);
  if (!manifest.complete) {
    throw bad(
      `${path} is unfinished: the command that writes it was interrupted; run it again and it goes on`,
    );
  }
  const [, rank, size] = SHARD_NAME.exec(name)!.map(Number);
  const { shard } = manifest;
  if (shard === null) throw bad(`${path} holds whole weights, not a shard`);
  if (shard.rank !== rank || shard.size !== size) {
    const actual = shardName(shard.rank, shard.size);
    throw bad(`${path} holds the shard ${actual} under another name: was it copied to the wrong place?`);
  }
  return { name, rank, size, manifest };
}

function checkNames(dir: string, found: readonly Found[]): void {
  const size = mostCommon(found.map((shard) => shard.size));
  const foreign = found.find((shard) => shard.size !== size);
  if (foreign !== undefined) {
    throw bad(`${join(dir, foreign.name)} is one of ${foreign.size} shards; the others are of ${size}`);
  }
  const present = new Set(found.map(({ rank }) => rank));
  const missing = Array.from({ length: size }, (_, rank) => rank).filter((rank) => !present.has(rank));
  if (missing.length === 0) return;
  const names = missing.map((rank) => join(dir, shardName(rank, size))).join(", ");
  throw bad(
    `${names} ${missing.length === 1 ? "is" : "are"} missing: the model is split into ${size} shards`,
  );
}

function checkAlike(dir: string, found: readonly Found[]): void {
  const check = (what: string, read: (manifest: WeightsManifest) => string) => {
    const usual = mostCommon(found.map(({ manifest }) => read(manifest)));
    const foreign = found.find(({ manifest }) => read(manifest) !== usual);
    if (foreign === undefined) return;
    const other = found.find(({ manifest }) => read(manifest) === usual)!;
    throw bad(`${join(dir, foreign.name)} is foreign: it is of another ${what} than ${other.name}`);
  };
  check("model", ({ source }) => source.sha256);
  check("precision", ({ precision, block }) => `${precision} ${block}`);
  check("strategy", ({ shard }) => shard!.strategy);
  check("set of files", ({ files }) => Object.keys(files).sort().join());
}

async function readStrategy(
  dir: string,
  { manifest }: Found,
): Promise<{ readonly strategy: Strategy; readonly strategyHash: string }> {
  const path = join(dir, STRATEGY_FILE);
  const json = await readOptionalJson(path);
  if (json === undefined) throw bad(`${path} is missing: without it nobody knows how the shards were cut`);
  const { size, strategy: expected } = manifest.shard!;
  const strategyHash = sha256(await readFile(path, "utf8"));
  if (strategyHash !== expected) throw bad(`${path} was changed after the shards were cut by it`);
  const strategy = parseStrategy(json, path);
  if (strategy.size !== size) throw bad(`${path} is for ${strategy.size} ranks; the shards are ${size}`);
  return { strategy, strategyHash };
}

/** The first of the values that come most often. */
function mostCommon<T>(values: readonly T[]): T {
  const count = (value: T) => values.filter((other) => other === value).length;
  return values.reduce((best, value) => (count(value) > count(best) ? value : best));
}

function bad(message: string): TroupeError {
  return new TroupeError("invalid_model", message);
}
