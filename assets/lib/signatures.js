// Ed25519 signatures and digests, checked by the browser itself.

import { fromBase64, toHex } from "./bytes.js";

/** Whether this browser can check signatures. */
export async function canVerify() {
  try {
    await crypto.subtle.generateKey("Ed25519", false, ["verify", "sign"]);
    return true;
  } catch {
    return false;
  }
}

/** A public key from PEM, as { fingerprint, verifies(signature, content) }. */
export async function publicKey(pem) {
  const der = fromBase64(pem.replace(/-----[A-Z ]+-----|\s/g, ""));
  const key = await crypto.subtle.importKey("spki", der, "Ed25519", true, ["verify"]);
  const raw = new Uint8Array(await crypto.subtle.exportKey("raw", key));
  return {
    fingerprint: `sha256:${await sha256(raw)}`,
    verifies: (signature, content) => crypto.subtle.verify("Ed25519", key, signature, content),
  };
}

/** SHA-256 in hex. */
export async function sha256(bytes) {
  return toHex(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)));
}
