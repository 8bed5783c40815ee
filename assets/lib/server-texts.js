// What the server says in words of its own, in the language of the page: why something waits, how it
// ended, what is wrong. It says that in English, and this knows its sentences word for word; what it
// does not know stays as it is. Those of pages are here. Those of errors, of which there are many
// more, are fetched when the first one comes or the page has time.

import { LANGUAGE, t } from "./language.js";
import { TITLES } from "./server-titles.js";
import { exactTime } from "./times.js";

/** A moment as the server says it, in UTC. */
const MOMENT = /\b(\d{4}-\d\d-\d\d)(?: at)? (\d\d:\d\d(?::\d\d)?) UTC\b/g;

/** So long at most an error waits for its translation. */
const PATIENCE_MS = 5_000;

/** What is longer is not compared with errors: that would take ever longer, up to seconds. */
const LONGEST_ERROR = 1_000;

/** Between the last two words of a list. */
const ALTERNATIVE = "` " + t`or` + " `";

/** Marks a sentence whose last value is what a person said: up to the end of the text it is theirs. */
const WORDS = "words";

/**
 * Each in English and in the language of the page, with numbers in place of values; the third says
 * which value is such a sentence itself, or that the last is in a person's WORDS.
 */
const SENTENCES = [
  ["phase {0} failed with exit code {1}", t`phase {0} failed with exit code {1}`],
  [
    "phase {0} failed with exit code {1}, at attempt {2}",
    t`phase {0} failed with exit code {1}, at attempt {2}`,
  ],
  ["phase {0}: timed out after {1} s", t`phase {0}: timed out after {1} s`],
  [
    "phase {0}: timed out: the whole job may take {1} s",
    t`phase {0}: timed out: the whole job may take {1} s`,
  ],
  ["timed out after {0} s, before phase {1}", t`timed out after {0} s, before phase {1}`],
  ["timed out after {0} s", t`timed out after {0} s`],
  ["{0} cancelled the automation", t`{0} cancelled the automation`],
  ["{0} cancelled it while it was paused", t`{0} cancelled it while it was paused`],
  ["worker {0} was lost while the job ran", t`worker {0} was lost while the job ran`],
  ["worker {0} refused to run it: {1}", t`worker {0} refused to run it: {1}`],
  ["it was not run: {0}", t`it was not run: {0}`, 0],
  ["it did not go on: {0}", t`it did not go on: {0}`],
  ["it ended failed on {0}", t`it ended failed on {0}`],
  ["it ended cancelled on {0}", t`it ended cancelled on {0}`],
  ["it ended timed_out on {0}", t`it ended timed_out on {0}`],
  ["it ended unknown on {0}", t`it ended unknown on {0}`],
  ["it ended rejected on {0}", t`it ended rejected on {0}`],
  ["it ended expired on {0}", t`it ended expired on {0}`],
  ["it could not start on {0}: {1}", t`it could not start on {0}: {1}`, 1],
  ["it did not begin on {0}: {1}", t`it did not begin on {0}: {1}`, 1],
  ["it failed on {0}", t`it failed on {0}`],
  ["it was cancelled on {0}", t`it was cancelled on {0}`],
  ["it timed out on {0}", t`it timed out on {0}`],
  ["it was rejected on {0}", t`it was rejected on {0}`],
  ["it expired on {0}", t`it expired on {0}`],
  ["{0} could not start: {1}", t`{0} could not start: {1}`, 1],
  ["it was replaced by {0}", t`it was replaced by {0}`],
  ["nobody decided on gate {0} in time", t`nobody decided on gate {0} in time`],
  ["rejected by {0}: {1}", t`rejected by {0}: {1}`, WORDS],
  ["rejected by {0}", t`rejected by {0}`],
  ["aborted by {0}: {1}", t`aborted by {0}: {1}`, WORDS],
  ["aborted by {0}", t`aborted by {0}`],
  ["withdrawn by {0}, who answers for who asked", t`withdrawn by {0}, who answers for who asked`],
  ["withdrawn by {0}", t`withdrawn by {0}`],
  ["its window closed before it began: {0}", t`its window closed before it began: {0}`, 0],
  ["not before {0} (set by {1})", t`not before {0} (set by {1})`],
  ["not before {0}", t`not before {0}`],
  ["not after {0} (set by {1})", t`not after {0} (set by {1})`],
  ["not after {0}", t`not after {0}`],
  ["it waits for approval: {0}", t`it waits for approval: {0}`, 0],
  ["it is paused, and waits for {0}", t`it is paused, and waits for {0}`, 0],
  [
    "it waits for what it has called, or to go on after that",
    t`it waits for what it has called, or to go on after that`,
  ],
  [
    "it was decided, and waits for a free slot of {0}, which holds it",
    t`it was decided, and waits for a free slot of {0}, which holds it`,
  ],
  [
    "it was decided, and waits for {0}, which holds it and is draining",
    t`it was decided, and waits for {0}, which holds it and is draining`,
  ],
  ["{0} is about to go on with it", t`{0} is about to go on with it`],
  ["{0} is about to start it", t`{0} is about to start it`],
  ["{0} was given it, but {1}", t`{0} was given it, but {1}`, 1],
  [
    "{0}, which holds it, was revoked, so it cannot go on: cancel it",
    t`{0}, which holds it, was revoked, so it cannot go on: cancel it`,
  ],
  [
    "{0}: whoever runs the server must release the queue",
    t`{0}: whoever runs the server must release the queue`,
    0,
  ],
  ["it is about to begin on its machines", t`it is about to begin on its machines`],
  ["it is for {0} alone: {1}", t`it is for {0} alone: {1}`, 1],
  [
    "it waits for {0}, which keeps its workspace until {1}: {2}",
    t`it waits for {0}, which keeps its workspace until {1}: {2}`,
    2,
  ],
  [
    "or cancel it, and resume with --fresh-workspace",
    t`or cancel it, and resume with --fresh-workspace`,
  ],
  ["no worker has enrolled yet", t`no worker has enrolled yet`],
  ["that is not there any more", t`that is not there any more`],
  ["was stopped", t`was stopped`],
  ["is not connected", t`is not connected`],
  ["has not been heard of since {0}", t`has not been heard of since {0}`],
  ["{0} fits, but {1}", t`{0} fits, but {1}`, 1],
  ["none of the {0} workers is connected: {1}", t`none of the {0} workers is connected: {1}`],
  [
    "no connected worker understands manifest format {0}",
    t`no connected worker understands manifest format {0}`,
  ],
  ["update {0}", t`update {0}`],
  ["no connected worker has label {0}: {1}", t`no connected worker has label {0}: {1}`, 1],
  ["no connected worker has label {0}", t`no connected worker has label {0}`],
  [
    "no connected worker has all of the labels {0}: {1}",
    t`no connected worker has all of the labels {0}: {1}`,
    1,
  ],
  [
    "no connected worker has all of the labels {0}",
    t`no connected worker has all of the labels {0}`,
  ],
  ["no connected worker fulfils {0}", t`no connected worker fulfils {0}`],
  ["{0} would fit, but {1}", t`{0} would fit, but {1}`, 1],
  [
    "no connected worker runs subprocesses (phases without an image)",
    t`no connected worker runs subprocesses (phases without an image)`,
  ],
  [
    "no connected worker reaches targets over SSH (it needs OpenSSH's {0})",
    t`no connected worker reaches targets over SSH (it needs OpenSSH's {0})`,
  ],
  [
    "no connected worker runs containers (phase {0} has an image)",
    t`no connected worker runs containers (phase {0} has an image)`,
  ],
  ["the org is suspended", t`the org is suspended`],
  ["the org is suspended: {0}", t`the org is suspended: {0}`, WORDS],
  ["the org is suspended, and is deleted on {0}", t`the org is suspended, and is deleted on {0}`],
  [
    "the org is suspended, and is deleted on {0}: {1}",
    t`the org is suspended, and is deleted on {0}: {1}`,
    WORDS,
  ],
  ["{0} is draining", t`{0} is draining`],
  ["all {0} matching workers are draining", t`all {0} matching workers are draining`],
  ["{0} is given no work: {1}", t`{0} is given no work: {1}`],
  ["{0} is busy (its only slot)", t`{0} is busy (its only slot)`],
  ["{0} is busy ({1} of {2} slots)", t`{0} is busy ({1} of {2} slots)`],
  ["{0} is busy", t`{0} is busy`],
  ["all matching workers are busy", t`all matching workers are busy`],
  [
    "all {0} matching workers are busy ({1} of {2} slots)",
    t`all {0} matching workers are busy ({1} of {2} slots)`,
  ],
  ["behind 1 other of group {0}", t`behind 1 other of group {0}`],
  ["behind {0} others of group {1}", t`behind {0} others of group {1}`],
  ["behind more than {0} others of group {1}", t`behind more than {0} others of group {1}`],
  ["role {0}", t`role {0}`],
  ["group {0}", t`group {0}`],
  ["{0}: {1} of {2}", t`{0}: {1} of {2}`],
  ["{0} version {1}", t`{0} version {1}`],
  ["{0} version {1} on {2}", t`{0} version {1} on {2}`],
  ["gate {0}: {1}", t`gate {0}: {1}`, 1],
  [
    "it asks the requester's manager, and none is set",
    t`it asks the requester's manager, and none is set`,
  ],
  ["there is nobody who may decide on it", t`there is nobody who may decide on it`],
  ["everything", t`everything`],
  [
    "people: those who may no more than themselves",
    t`people: those who may no more than themselves`,
  ],
  ["templates, workers, every automation", t`templates, workers, every automation`],
  ["decides where a policy names the role", t`decides where a policy names the role`],
  ["runs templates, cancels their own", t`runs templates, cancels their own`],
  ["looks, and reads the record", t`looks, and reads the record`],
  ["Mail server", t`Mail server`],
  ["Security", t`Security`],
  ["Sender", t`Sender`],
  ["Username", t`Username`],
  ["Address of the API", t`Address of the API`],
  [
    "587 speaks STARTTLS; 465 TLS from the first byte.",
    t`587 speaks STARTTLS; 465 TLS from the first byte.`,
  ],
  ["As in opsicle@example.com.", t`As in opsicle@example.com.`],
  ["Telegram's own unless told.", t`Telegram's own unless told.`],
  ["Slack's own unless told.", t`Slack's own unless told.`],
];

/** The longest first, which says the most. */
const known = (LANGUAGE === "en" ? [] : SENTENCES)
  .toSorted(([one], [other]) => other.length - one.length)
  .map(([english, own, nested]) => ({
    pattern: patternOf(english, "((?:(?!; ).)+?)", nested === undefined ? undefined : "(.+)"),
    own: own.replace(`{${nested}}`, `{${nested}!}`),
    free: freeOf(english),
  }));

/** Sentences without values by what they are in English; and patterns of those with values. */
const errors = { whole: new Map(), patterns: [], areLoaded: false };

/** What is drawn in English since the sentences of errors were not there yet, by the texts. */
const drawn = new Map();

/** Words of sentences, of which no name and no list of names is made. */
const PROSE =
  /^(is|are|was|were|has|have|had|will|would|can|cannot|could|must|may|might|should|do|does|did|not|that|which|who|because|but|if|when|until|while|nothing|nobody|the|an|this|these|its|they|then|there)$/;
const MOST_WORDS = 4; // of a value that is none of several

/** Whether this can be what is put into a sentence, and not a part of one that is not known. */
function isValue(text) {
  if (!text.includes(" ")) return true;
  const plain = text.replace(/`[^`]*`|"[^"]*"/g, "x");
  if (/; |[a-z]{3}[.!?] /.test(plain)) return false;
  if (plain.split(/[ ,]+/).some((word) => PROSE.test(word))) return false;
  const isName = (word) => /[^\d\W]/.test(word);
  const items = plain.split(/, | or | and /);
  return items.every((item) => item.split(" ").filter(isName).length <= MOST_WORDS);
}

/** The value behind a colon at the end, which may be anything: what a person or a program said. */
function freeOf(english) {
  return /: \{(\d)\}$/.exec(english)?.[1];
}

/** A value in a translation; `!`: it is a sentence itself. */
const PLACE = /\{(\d)(!?)\}/g;

/** The text in the language of the page; null if it only looks like that sentence. */
function filled({ pattern, own, free }, text) {
  const found = pattern.exec(text);
  if (!found) return null;
  const valueAt = (at) => found[Number(at) + 1];
  const isFit = ([, at, isSentence]) => isSentence || at === free || isValue(valueAt(at));
  if (![...own.matchAll(PLACE)].every(isFit)) return null; // before sentences inside are looked at
  let isKnown = true;
  const filledIn = own.replace(PLACE, (_, at, isSentence) => {
    const value = valueAt(at);
    if (!isSentence) return at === free ? value : value.replaceAll("` or `", ALTERNATIVE);
    const inside = saidInside(value);
    isKnown &&= at === free || inside !== value || isValue(value);
    return inside;
  });
  return isKnown ? filledIn : null;
}

/** `value` is what stands for each value, `last` for one at the end. */
function patternOf(english, value, last = value) {
  const pattern = english
    .replace(/[.*+?^$()|[\]\\]/g, "\\$&")
    .replace(/(?<=version )\{\d\}|\{\d\}(?= of )/g, "(\\d+)") // what is a number there
    .replace(/\{\d\}(?=\{\d\})/g, "(`[^`]*`|\\S*)") // one word, with what may stand behind it
    .replace(/\{\d\}$/, last)
    .replace(/\{\d\}/g, value);
  return new RegExp(`^${pattern}$`, "s");
}

let loading = null;

/** Fetch what errors say, once; without it, or if it takes long, they are said in English. */
export async function loadErrors() {
  if (LANGUAGE === "en") return;
  loading ??= fetchErrors().catch(console.debug);
  await Promise.race([loading, new Promise((resolve) => setTimeout(resolve, PATIENCE_MS))]);
}

async function fetchErrors() {
  const module = await import(new URL("sentences.js", import.meta.url));
  const sentences = Object.entries(module.SENTENCES);
  for (const [english, own] of sentences) errors.whole.set(english, own);
  errors.patterns = sentences
    .filter(([english]) => /\{\d\}/.test(english))
    .toSorted(([one], [other]) => weightOf(other) - weightOf(one))
    .map(([english, own]) => ({
      pattern: patternOf(english, "(.*?)"),
      own,
      free: freeOf(english),
    }));
  errors.areLoaded = true;
  exchangeDrawn();
}

/** Say what is on the page already, and was not known then, in the language of the page. */
function exchangeDrawn() {
  const texts = [...drawn]
    .map(([text, before]) => [before, said(text)])
    .filter(([before, after]) => before !== after)
    .flatMap(([before, after]) => [
      [before, after],
      [capital(before), capital(after)],
    ]);
  drawn.clear();
  const nodes = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (nodes.nextNode()) {
    const node = nodes.currentNode;
    const found = texts.find(([before]) => node.data.includes(before));
    if (found) node.data = node.data.replace(found[0], () => found[1]);
  }
}

function capital(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/** How much of a sentence is said before any value stands in it. */
function weightOf(english) {
  return english.replace(/\{\d\}/g, "").length;
}

/**
 * A text of the server's in the language of the page, with times in the person's zone; what is not
 * known stays as it is.
 */
export function said(text) {
  if (!text) return text;
  const own = inLanguage(text).replace(MOMENT, (_, day, time) => exactTime(`${day}T${time}Z`));
  if (LANGUAGE !== "en" && !errors.areLoaded && translated(text) === null) {
    drawn.set(text, own);
    loadErrors();
  }
  return own;
}

function inLanguage(text) {
  if (!known.length) return text;
  return translated(text) ?? translatedError(text) ?? inParts(text.split("; "));
}

/** The rest is looked at as one before each part: it may end in what a person said. */
function inParts(parts) {
  const own = [];
  while (parts.length) {
    const rest = translated(parts.join("; "));
    if (rest !== null) return [...own, rest].join("; ");
    const part = parts.shift();
    own.push(translated(part) ?? translatedError(part) ?? part);
  }
  return own.join("; ");
}

function translated(text) {
  return firstFilled(known, text);
}

/** Of an error, whose translation marks a value that is such a sentence itself: `{0!}`. */
function translatedError(text) {
  const whole = errors.whole.get(text);
  if (whole || text.length > LONGEST_ERROR) return whole ?? null;
  return firstFilled(errors.patterns, text);
}

function firstFilled(sentences, text) {
  for (const sentence of sentences) {
    const own = filled(sentence, text);
    if (own !== null) return own;
  }
  return null;
}

/** A part of a sentence, which may begin with what joins it to the part before. */
function saidInside(text) {
  const [joint] = /^[;: ]*/.exec(text);
  return joint + inLanguage(text.slice(joint.length));
}

/** A problem as the server sends it, in the language of the page. */
export async function saidProblem({ code, title, detail, hint, errors: found = [], ...rest }) {
  await loadErrors();
  return {
    ...rest,
    code,
    title: TITLES[code] ?? title,
    detail: said(detail),
    hint: said(hint),
    errors: found.map((each) => ({ ...each, message: said(each.message) })),
  };
}
