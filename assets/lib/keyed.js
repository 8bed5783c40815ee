// Lists that change under the reader's eyes: what stayed the same stays untouched, with its focus
// and its state.

const made = new WeakMap();

/**
 * Make `container` hold one element per item, in this order. `key(item)` tells items apart;
 * `render(item)` is called only for an item that is new or differs from what was shown.
 */
export function showList(container, items, key, render) {
  const before = made.get(container) ?? new Map();
  const after = new Map();
  for (const item of items) {
    const id = key(item);
    if (id === undefined) throw new Error("an item of a list has no key");
    const print = JSON.stringify(item);
    const old = before.get(id);
    after.set(id, old?.print === print ? old : { print, element: render(item, old?.element) });
  }
  const focused = focusInside(container);
  for (const [id, { element }] of before) if (after.get(id)?.element !== element) element.remove();
  putInOrder(container, after.values());
  made.set(container, after);
  if (!focused) return;
  const successor = container.querySelector(`[data-focus="${CSS.escape(focused)}"]`);
  successor?.focus({ preventScroll: true });
}

function putInOrder(container, entries) {
  let next = container.firstChild;
  for (const { element } of entries) {
    if (element === next) next = next.nextSibling;
    else container.insertBefore(element, next);
  }
}

/**
 * The name of what has the focus, if it is in here and has a `data-focus` by which to find its
 * successor.
 */
function focusInside(container) {
  return container.contains(document.activeElement)
    ? document.activeElement.dataset.focus
    : undefined;
}
