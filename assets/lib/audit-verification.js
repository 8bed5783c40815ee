// Checking the audit record in the browser, with nothing of the server's but the record: the same
// as
// the program in docs/audit.md does.

import { open } from "./api.js";
import { t } from "./language.js";
import { publicKey, sha256 } from "./signatures.js";

const NO_HASH = "0".repeat(64);
const ENTRY = "seq at actor_kind actor_id actor_name channel address verb resource data".split(" ");
const CHECKPOINT = "number seq hash at removed_to removed_hash previous".split(" ");
const GAP = "first last previous hash".split(" ");
const TOLD_MS = 250;
const UNKNOWN = 0; // the epoch of entries of which the record does not say it

const encoder = new TextEncoder();

/** What is wrong with a record, in words for people. */
export class BrokenRecord extends Error {}

/**
 * Fetch the org's whole record and check it. `progress(entries)` hears how far it has come. Gives
 * { entries, removedTo, signedTo, fingerprint }. Throws BrokenRecord, ApiError.
 */
export async function verifyRecord({ signal, progress }) {
  const response = await open("/audit/export", { signal });
  const check = new RecordCheck();
  let told = performance.now();
  for await (const line of linesOf(response.body)) {
    await check.take(JSON.parse(line));
    if (performance.now() - told < TOLD_MS) continue;
    told = performance.now();
    progress(check.entries);
    await new Promise((resume) => setTimeout(resume)); // the page gets a turn
  }
  return check.end();
}

/** Takes the lines of an export, one after the other. */
export class RecordCheck {
  entries = 0;
  #header = null;
  #key = null;
  #number = 0;
  #link = NO_HASH;
  #newest = null;
  #stated = new Map();
  #isGap = false;
  #seq = 0;
  #epoch = 1;
  #hash = NO_HASH;

  async take(line) {
    if (!this.#header) await this.#begin(line);
    else if (line.type === "entry") await this.#takeEntry(line);
    else await this.#takeSigned(line);
  }

  /** Say that there are no more. */
  end() {
    const { seq, removed_to: removedTo } = this.#newest ?? {};
    if (!this.#newest || this.#isGap) fail(t`checkpoint ${this.#number + 1} is missing`);
    this.#beginEntries();
    if (this.#seq < seq)
      fail(
        t`entry ${this.#name(this.#seq + 1)} is missing: a checkpoint says that the record went on to ${seq}`,
      );
    if (this.#seq > seq) fail(t`no signature covers what comes after entry ${seq}`);
    return {
      entries: this.entries,
      removedTo,
      signedTo: this.#name(seq),
      fingerprint: this.#header.fingerprint,
    };
  }

  async #begin(header) {
    this.#key = await publicKey(header.public_key);
    if (header.fingerprint !== this.#key.fingerprint)
      fail(t`the fingerprint is not that of the key`);
    this.#header = header;
  }

  async #takeSigned(line) {
    this.#isGap = line.type === "gap";
    const [kind, names] = this.#isGap
      ? ["opsicle audit checkpoint gap 1", GAP]
      : ["opsicle audit checkpoint 1", CHECKPOINT];
    const fields = names.map((name) => line[name]);
    const content = netstrings(kind, this.#header.chain, ...fields);
    const expected = this.#number + 1;
    if ((this.#isGap ? line.first : line.number) !== expected)
      fail(t`checkpoint ${expected} is missing or out of order`);
    if (!(await this.#key.verifies(fromHex(line.signature), content)))
      fail(t`checkpoint ${expected} was not signed with this key`);
    if (line.previous !== this.#link)
      fail(t`checkpoint ${expected} does not follow the one before it`);
    this.#number = this.#isGap ? line.last : line.number;
    this.#link = this.#isGap ? line.hash : await sha256(content);
    if (!this.#isGap) this.#takeCheckpoint(line);
  }

  #takeCheckpoint(line) {
    const before = this.#newest;
    if (before && (line.seq < before.seq || line.removed_to < before.removed_to))
      fail(t`checkpoint ${line.number} contradicts the one before it`);
    this.#newest = line;
    this.#stated.set(line.seq, line.hash);
  }

  #beginEntries() {
    if (this.entries || this.#seq || !this.#newest) return;
    this.#seq = this.#newest.removed_to;
    if (this.#seq) this.#epoch = UNKNOWN;
    this.#hash = this.#newest.removed_hash;
  }

  async #takeEntry(line) {
    this.#beginEntries();
    const expected = this.#seq + 1;
    if (line.seq !== expected)
      fail(t`entry ${this.#name(expected)} is missing: ${line.seq} stands in its place`);
    const fields = ENTRY.map((name) => line[name]);
    const hash = await sha256(
      netstrings("opsicle audit entry 1", this.#header.chain, this.#hash, ...fields),
    );
    if (hash !== line.hash) fail(t`entry ${this.#name(expected)} was altered`);
    if ((this.#stated.get(expected) ?? hash) !== hash)
      fail(
        t`entries were replaced: a checkpoint was signed at entry ${this.#name(expected)} of another record`,
      );
    this.#seq = expected;
    this.#hash = hash;
    this.entries++;
    if (line.verb === "accept_restored") this.#epoch = epochOf(line);
    if (line.verb === "import_org") this.#epoch = UNKNOWN; // the next server counts its own
  }

  /** An entry's number, with its epoch after a restore: then numbers are given out again. */
  #name(seq) {
    return this.#epoch > 1 ? t`${seq} of epoch ${this.#epoch}` : seq;
  }
}

function epochOf({ data }) {
  try {
    const { epoch } = JSON.parse(data);
    return Number.isInteger(epoch) ? epoch : UNKNOWN;
  } catch {
    return UNKNOWN;
  }
}

function fail(message) {
  throw new BrokenRecord(message);
}

/** Each field as LENGTH:BYTES, */
function netstrings(...fields) {
  const parts = fields.map((field) => encoder.encode(String(field)));
  const texts = parts.flatMap((part) => [encoder.encode(`${part.length}:`), part, COMMA]);
  const all = new Uint8Array(texts.reduce((sum, text) => sum + text.length, 0));
  let place = 0;
  for (const text of texts) {
    all.set(text, place);
    place += text.length;
  }
  return all;
}

const COMMA = encoder.encode(",");

function fromHex(text) {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

async function* linesOf(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop();
    yield* lines;
  }
  if (rest) yield rest;
}
