// Typing for a person, so that they can undo it like anything they have typed.

/** Put a text in the place of what is selected in a text field. */
export function typeInto(field, text) {
  if (document.execCommand("insertText", false, text)) return;
  field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
  field.dispatchEvent(new Event("input", { bubbles: true }));
}
