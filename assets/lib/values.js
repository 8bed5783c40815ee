// What a person typed as the value of a variable, checked as the server checks it (see the template
// reference). The server has the last word; this only says it sooner.

import { t } from "./language.js";

const NUMBER = /^[-+]?[0-9]{1,16}$/;
const FLOAT = /^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,3})?$/;
const DATE = /^\d{4}-\d{2}-\d{2}$/;

/** What is wrong with a typed value; the message says it. */
export class WrongValue extends Error {}

/** A variable's type; the API leaves out what is usual. */
export function typeOf(variable) {
  return variable.type ?? "string";
}

/** A value as a person reads and types it: one item per line for a list. */
export function valueText(value) {
  if (value === undefined || value === null) return "";
  return Array.isArray(value) ? value.map(valueText).join("\n") : String(value);
}

/** The environment variable that carries a variable's value. */
export function environmentName(id) {
  return `OPSICLE_VAR_${id.toUpperCase().replace(/[^A-Z0-9]/g, "_")}`;
}

/**
 * The value of a typed text, undefined where nothing is to be sent, so that the default counts.
 * Throws WrongValue.
 */
export function parseValue(variable, text) {
  const isText = ["string", "text", "secret"].includes(typeOf(variable));
  const isEmpty = isText && !variable.multiple ? text === "" : text.trim() === "";
  if (isEmpty) return whenEmpty(variable, isText);
  if (!variable.multiple) return checked(variable, typed(variable, text), text);
  return text
    .split(/\r?\n/)
    .filter(Boolean)
    .map((line) => checked(variable, typed(variable, line), line));
}

function whenEmpty(variable, isText) {
  const hasDefault = variable.default !== undefined && variable.default !== null;
  if (variable.is_required && !hasDefault) throw new WrongValue(t`is required`);
  if (variable.is_required && isText) throw new WrongValue(t`must not be empty`);
  if (!hasDefault || variable.is_required) return undefined;
  if (variable.multiple) return [];
  return isText ? "" : undefined;
}

function typed(variable, text) {
  const word = text.trim();
  switch (typeOf(variable)) {
    case "bool":
      return word === "true";
    case "number":
      if (!NUMBER.test(word)) throw new WrongValue(t`“${word}” is not a whole number`);
      return Number(word);
    case "float":
      if (!FLOAT.test(word)) throw new WrongValue(t`“${word}” is not a number`);
      return Number(word);
    case "date":
      if (!isDate(word)) throw new WrongValue(t`“${word}” is not a date such as 2026-01-31`);
      return word;
    case "enum":
      return (variable.options ?? []).find((option) => String(option) === text) ?? text;
    default:
      return text;
  }
}

function checked({ min, max }, value) {
  const isText = typeof value === "string";
  const measured = isText ? [...value].length : value;
  if (typeof measured !== "number") return value;
  if (min !== undefined && min !== null && measured < min)
    throw new WrongValue(
      isText ? t`must be at least ${min} characters long` : t`must be at least ${min}`,
    );
  if (max !== undefined && max !== null && measured > max)
    throw new WrongValue(
      isText ? t`must be at most ${max} characters long` : t`must be at most ${max}`,
    );
  return value;
}

function isDate(text) {
  const at = DATE.test(text) ? new Date(`${text}T00:00:00Z`) : null;
  return at !== null && !Number.isNaN(at.getTime()) && at.toISOString().startsWith(text);
}
