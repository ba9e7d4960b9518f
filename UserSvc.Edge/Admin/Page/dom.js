// Everything is updated in place, and only when it changes: selection, focus and screen readers are not disturbed.

export const byId = id => document.getElementById(id);

export function write(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

/** An element's parts, by their data-of attribute. */
export const partsOf = root => Object.fromEntries([...root.querySelectorAll("[data-of]")].map(part => [part.dataset.of, part]));

export function create(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** Sets a mark's shape and colour (kind: ok, idle, off, warn, bad or out) and its text. */
export function writeState(element, kind, text) {
  if (element.dataset.kind !== kind) {
    element.dataset.kind = kind;
    element.querySelector("use").setAttribute("href", `#mark-${kind}`);
  }
  write(element.querySelector("span"), text);
}

export function state() {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.classList.add("mark");
  svg.ariaHidden = "true";
  svg.append(document.createElementNS(svg.namespaceURI, "use"));
  return create("span", { class: "state" }, svg, create("span"));
}

/** A region that scrolls must be reachable by keyboard; one that does not must not be a tab stop. */
export function keepReachable(region) {
  const watched = new ResizeObserver(() => {
    const scrolls = region.scrollHeight > region.clientHeight + 1 || region.scrollWidth > region.clientWidth + 1;
    if (scrolls !== region.hasAttribute("tabindex")) {
      region.toggleAttribute("tabindex", scrolls);
      region.tabIndex = scrolls ? 0 : -1;
      region.role = scrolls ? "region" : null;
    }
  });
  watched.observe(region);
  watched.observe(region.firstElementChild);
  return watched;
}

/** Views by key, each with an `element`: created, updated and removed along with their items. */
export class Keyed {
  #views = new Map();

  constructor(parent, make) {
    this.parent = parent;
    this.make = make;
  }

  get views() {
    return this.#views.values();
  }

  get(key) {
    return this.#views.get(key);
  }

  update(items, key) {
    const present = new Set(items.map(key));
    for (const [gone, view] of this.#views) {
      if (!present.has(gone)) {
        view.element.remove();
        view.remove?.();
        this.#views.delete(gone);
      }
    }
    items.forEach((item, index) => {
      const id = key(item);
      const view = this.#views.get(id) ?? this.make(item);
      this.#views.set(id, view);
      view.update(item);
      if (this.parent.children[index] !== view.element) {
        this.parent.insertBefore(view.element, this.parent.children[index] ?? null);
      }
    });
  }
}
