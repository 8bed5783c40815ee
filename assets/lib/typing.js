// Typing for a person, so that they can undo it like anything they have typed.

const MOST = 4_000; // characters: browsers type many lines one by one, the slower the more there are

/** Put a text in the place of what is selected in a text field; a long one cannot be undone. */
export function typeInto(field, text) {
  if (text.length <= MOST && document.execCommand("insertText", false, text)) return;
  field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
  field.dispatchEvent(new Event("input", { bubbles: true }));
}
