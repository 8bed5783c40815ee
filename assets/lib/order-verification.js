// Checking in the browser what workers were ordered to do, with nothing of the server's but public
// keys: the same as opsicle/client/order_trails.py does.

import { fromBase64, toHex } from "./bytes.js";
import { t } from "./language.js";
import { publicKey, sha256 } from "./signatures.js";

const PURPOSE = "opsicle order 1\n"; // what stands before an order that is signed

const encoder = new TextEncoder();

/**
 * What each order of a trail proves: [{ job, order, fields, signature, problem }], `problem` being
 * "" for one that is as it was signed, and `fields` null where it cannot be read.
 */
export async function verifyOrders(trail) {
  const keys = await Promise.all(trail.keys.map((each) => publicKey(each.public_key)));
  const digests = await Promise.all(trail.manifests.map((text) => sha256(encoder.encode(text))));
  const verdicts = [];
  for (const job of trail.jobs) {
    for (const order of job.orders)
      verdicts.push(await verdictOf({ trail, job, order, keys, digests }));
    for (let missing = 0; missing < job.missing; missing++)
      verdicts.push({ job, problem: t`An order that was given for this job is gone.` });
  }
  return verdicts;
}

async function verdictOf({ trail, job, order, keys, digests }) {
  const content = fromBase64(order.content);
  const signature = fromBase64(order.signature);
  const fields = read(content);
  const verdict = { job, order, fields, signature: toHex(signature) };
  const key = keys.find(({ fingerprint }) => fingerprint === order.key);
  if (!key)
    return {
      ...verdict,
      problem: t`It is signed with a key that is not known here, ${order.key}.`,
    };
  if (!(await key.verifies(signature, signedBytes(content))))
    return { ...verdict, problem: t`Its signature does not fit it.` };
  if (!fields) return { ...verdict, problem: t`It cannot be read.` };
  const other = differing(trail, job, order, fields);
  if (other) return { ...verdict, problem: t`What is stored is not as it was ordered: ${other}.` };
  const isStored = digests.includes(fields.manifest_digest);
  const problem = isStored ? "" : t`What is stored of the automation is not what was ordered.`;
  return { ...verdict, problem };
}

/** The first thing that the server has stored otherwise than it was ordered. */
function differing(trail, job, order, fields) {
  const newest = job.orders.at(-1) === order ? job.fence : fields.fence;
  const compared = [
    [t`org`, fields.org_id, trail.org_id],
    [t`automation`, fields.automation_id, trail.automation_id],
    [t`job`, fields.job_id, job.id],
    [t`worker`, fields.worker_id, job.worker.id],
    [t`plan`, Boolean(fields.is_plan), job.is_plan],
    [t`fencing token`, fields.fence, order.fence],
    [t`fencing token`, fields.fence, newest],
  ];
  return compared.find(([, ordered, stored]) => ordered !== stored)?.[0];
}

function signedBytes(content) {
  const purpose = encoder.encode(PURPOSE);
  const all = new Uint8Array(purpose.length + content.length);
  all.set(purpose);
  all.set(content, purpose.length);
  return all;
}

function read(content) {
  try {
    const fields = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(content));
    const { decisions, issued_at: at } = fields;
    const isOrder =
      decisions.every((each) => each instanceof Object) && !Number.isNaN(Date.parse(at));
    return isOrder ? fields : null;
  } catch {
    return null;
  }
}
