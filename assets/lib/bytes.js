// Bytes: from base64, in base 16, and in words.

import { number } from "./language.js";

/** The bytes of a base64 text. */
export function fromBase64(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** Two digits of base 16 for each byte. */
export function toHex(bytes) {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

const TENTHS = { minimumFractionDigits: 1, maximumFractionDigits: 1 };
const WHOLE = { maximumFractionDigits: 0 };

/** "312 B", "4.1 KiB", "20 MiB". */
export function sizeText(bytes) {
  let size = bytes;
  for (const unit of ["B", "KiB", "MiB"]) {
    if (size < 1024) return `${number(size, size < 10 && unit !== "B" ? TENTHS : WHOLE)} ${unit}`;
    size /= 1024;
  }
  return `${number(size, TENTHS)} GiB`;
}

/** 128 random bits as text, for an Idempotency-Key or an id. */
export function randomId() {
  return toHex(crypto.getRandomValues(new Uint8Array(16)));
}
