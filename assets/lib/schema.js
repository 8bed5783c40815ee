// Reading a JSON Schema: which fields may stand at a place of a document, and which values.

import { aboutField } from "./schema-texts.js";

/**
 * The fields at a path, as { name, about, kind } in the schema's order; none where it is unknown.
 */
export function fieldsAt(schema, path) {
  return partsAt(schema, path).flatMap((part) =>
    Object.entries(part.properties ?? {}).map(([name, field]) => {
      const all = alternatives(schema, field);
      const types = all.map((each) => each.type);
      const kind = types.includes("array") ? "list" : types.includes("object") ? "mapping" : "";
      const about = aboutField(field.description ?? all[0].description ?? "");
      return { name, about, kind, isChosen: valuesOf(all).length > 0 };
    }),
  );
}

/** The values that a field may have, where they are few. */
export function valuesAt(schema, path, name) {
  const fields = partsAt(schema, path)
    .map((part) => part.properties?.[name])
    .filter(Boolean);
  const all = fields.flatMap((field) => alternatives(schema, field));
  return valuesOf(all).map((value) => ({ name: String(value), about: "", kind: "value" }));
}

function valuesOf(parts) {
  return parts.flatMap((part) => {
    if (part.type === "boolean") return [true, false];
    return part.enum ?? (part.const === undefined ? [] : [part.const]);
  });
}

function partsAt(schema, path) {
  let parts = [schema];
  for (const step of path) {
    const next = parts.map((part) =>
      step === "[]" ? part.items : (part.properties?.[step] ?? part.additionalProperties),
    );
    parts = next.filter(Boolean).flatMap((part) => alternatives(schema, part));
  }
  return parts;
}

/** What a part stands for, with references and alternatives resolved. */
function alternatives(schema, part) {
  const reference = part.$ref?.replace("#/$defs/", "");
  if (reference) return alternatives(schema, schema.$defs[reference]);
  const several = part.oneOf ?? part.anyOf;
  return several ? several.flatMap((each) => alternatives(schema, each)) : [part];
}
