// All that is shown is written in place and only when it changes: what is selected, focused or read aloud stays so.

export const byId = id => document.getElementById(id);

export function write(element, text) {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

/** The parts of an element that have a data-of, by it. */
export const partsOf = root => Object.fromEntries([...root.querySelectorAll("[data-of]")].map(part => [part.dataset.of, part]));

export function create(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** A mark's form and colour with its text: ok, idle, off, warn, bad or out. */
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

/** Views with an `element`, by key: made when their item comes, updated with it, removed when it is gone. */
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
