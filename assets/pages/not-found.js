// An address that no page has.

import { buttonLink } from "../components/buttons.js";
import { emptyState, pageHeading } from "../components/headings.js";
import { t } from "../lib/language.js";

export function mount(root, { title }) {
  const back = buttonLink(t`To the templates`, "/templates", { look: "primary" });
  root.append(pageHeading(title), emptyState(t`There is no page at this address`, back));
}
