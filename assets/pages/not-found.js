// An address that no page has.

import { buttonLink } from "../components/buttons.js";
import { emptyState, pageHeading } from "../components/headings.js";

export function mount(root, { title }) {
  const back = buttonLink("To the templates", "/templates", { look: "primary" });
  root.append(pageHeading(title), emptyState("There is no page at this address", back));
}
