// Pushing a document that is kept as numbered versions: its text, what is wrong with it, the draft.

import { keepDraft } from "../lib/drafts.js";
import { h, replace } from "../lib/dom.js";
import { note } from "./announcer.js";
import { ask } from "./dialogs.js";
import { field, showProblems, textarea } from "./fields.js";
import { problemList } from "./problems.js";
import { t } from "../lib/language.js";

const TITLES = {
  policy: [t`Push a policy`, t`Policy (YAML)`],
  schedule: [t`Push a schedule`, t`Schedule (YAML)`],
  trigger: [t`Push a trigger`, t`Trigger (YAML)`],
  target: [t`Push a target`, t`Target (YAML)`],
};

// `noun` is what is pushed, one of those above; `push` sends the text, and `pushed` is called
// once it is there. What is typed is kept as the draft of that noun when the page is left.
export function openPushDialog({ noun, source, push, pushed, notice = null }) {
  const [title, label] = TITLES[noun];
  const text = field({
    label,
    path: "source",
    control: textarea({ rows: 16, wrap: "off", value: source }),
  });
  const mistakes = h("div", { role: "status" });

  const run = async () => {
    try {
      const { name, version, is_new: isNew, warnings } = await push(text.control.value);
      pushed();
      note(isNew ? t`Pushed ${name}, version ${version}` : t`Nothing new`);
      if (!warnings.length) return true;
      const heading = h("p", {}, t`It is pushed. What to look at:`);
      replace(mistakes, heading, problemList(warnings));
    } catch (error) {
      const others = showProblems([text], error.errors ?? []);
      if (!others.length) throw error;
      replace(mistakes, problemList(others));
    }
    return false;
  };

  ask({
    title,
    content: [notice, text.element, mistakes],
    closed: keepDraft(noun, () => text.control.value),
    actions: [{ text: t`Push`, look: "primary", run }],
    isWide: true,
  });
}
