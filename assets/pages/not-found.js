// An address that no page has.

import { buttonLink } from "../components/buttons.js";
import { emptyState, pageHeading } from "../components/headings.js";

export function mount(root) {
  root.append(
    pageHeading("Nothing here"),
    emptyState(
      "There is no page at this address",
      buttonLink("To the templates", "/templates", { look: "primary" }),
    ),
  );
}
