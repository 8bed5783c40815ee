// Last runs on targets: which version of which template last succeeded where, and how it went since.

import { buttonLink } from "../components/buttons.js";
import { chipsFilter, menuFilter } from "../components/filters.js";
import { emptyState, pageHeading } from "../components/headings.js";
import { List } from "../components/list.js";
import { targetLastRuns } from "../components/target-last-runs.js";
import { get } from "../lib/api.js";
import { h } from "../lib/dom.js";
import { t } from "../lib/language.js";
import { may } from "../lib/session.js";
import { visible } from "../lib/visible.js";

const ABOUT = t`Which version of each template last succeeded where, and what ended there since.`;

export function mount(root, { title, query }) {
  const page = new AbortController();
  const { signal } = page;
  const asked = query.get("template");
  const template = menuFilter({
    name: "template",
    label: t`Any template`,
    value: asked,
    choices: asked ? [[asked, visible(asked)]] : [],
  });
  const list = new List({
    label: title,
    load: async (wanted) => {
      const found = await get("/target-last-runs", { query: wanted, signal });
      for (const { templates } of found.items)
        for (const { template: name } of templates) template.offer([name, visible(name)]);
      return found;
    },
    view: targetLastRuns(title),
    key: ({ target }) => target,
    filters: [
      chipsFilter({
        name: "attention",
        label: t`Which targets`,
        value: query.get("attention"),
        choices: [
          { value: "", content: t`All` },
          { value: "true", content: t`Behind or not succeeded` },
        ],
      }),
      template,
    ],
    empty: (isNarrowed) => (isNarrowed ? allWell() : nothingYet()),
    isLive: true,
    signal,
  });
  const above = h("a", { href: "/targets" }, t`Targets`);
  const below = h("p", { class: "muted" }, ABOUT);
  root.append(pageHeading(title, { above, beside: list.mark, below }), list.element);
  return () => page.abort();
}

function allWell() {
  return emptyState(
    t`None is behind`,
    h("p", {}, t`Whatever ran on a target succeeded last, in its newest version.`),
  );
}

function nothingYet() {
  return emptyState(
    t`No targets`,
    h("p", {}, t`Once there is one, the templates that run on it stand here.`),
    may("targets.manage") && buttonLink(t`To the targets`, "/targets"),
  );
}
