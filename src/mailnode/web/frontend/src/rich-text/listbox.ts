// A list to choose from that stays by the caret while the keyboard stays in the text (ARIA 1.2, combobox pattern).

const SHOWN = 50;
let count = 0;

export class Listbox {
  private readonly list = document.createElement("ul");
  private items: string[] = [];
  private current = 0;

  /** `owner` has the keyboard; the list stands in `place`: `isWithin` it, making room, or above all else beside the caret. */
  constructor(
    private readonly owner: HTMLElement,
    place: HTMLElement,
    private readonly isWithin: boolean,
    private readonly pick: (item: string) => void,
  ) {
    this.list.id = `completion-${(count += 1)}`;
    this.list.className = "listbox completion";
    this.list.role = "listbox";
    this.list.ariaLabel = "Values from the sample data";
    if (isWithin) this.list.hidden = true;
    else this.list.popover = "manual";
    this.list.addEventListener("mousedown", (event) => {
      event.preventDefault();
      const option = event.target instanceof Element ? event.target.closest("li") : null;
      if (option) this.choose([...this.list.children].indexOf(option));
    });
    place.append(this.list);
    owner.setAttribute("aria-autocomplete", "list");
    if (this.isShadowed) owner.ariaControlsElements = [this.list];
    else owner.setAttribute("aria-controls", this.list.id);
    if (owner.role === "combobox") owner.ariaExpanded = "false";
    addEventListener("scroll", () => this.hide(), { passive: true });
  }

  get isOpen(): boolean {
    return this.isWithin ? !this.list.hidden : this.list.matches(":popover-open");
  }

  /** Whether the owner stands behind the border of a shadow root, across which ids mean nothing and elements do. */
  private get isShadowed(): boolean {
    return this.owner.getRootNode() instanceof ShadowRoot;
  }

  /** Offer those of the paths that hold what was typed, those that begin with it first. */
  offer(paths: string[], typed: string, at: { left: number; top: number; bottom: number }): void {
    const wanted = typed.toLowerCase();
    const fitting = paths.filter((path) => path.toLowerCase().includes(wanted) && path !== typed);
    fitting.sort(
      (one, other) => Number(other.toLowerCase().startsWith(wanted)) - Number(one.toLowerCase().startsWith(wanted)),
    );
    this.items = fitting.slice(0, SHOWN);
    if (this.items.length === 0) {
      this.hide();
      return;
    }
    this.list.replaceChildren(...this.items.map((item, index) => this.option(item, index)));
    if (this.isWithin) this.list.hidden = false;
    else this.stand(at);
    if (this.owner.role === "combobox") this.owner.ariaExpanded = "true";
    this.move(0);
  }

  hide(): void {
    if (!this.isOpen) return;
    if (this.isWithin) this.list.hidden = true;
    else this.list.hidePopover();
    this.owner.removeAttribute("aria-activedescendant");
    if (this.owner.role === "combobox") this.owner.ariaExpanded = "false";
  }

  /** Take a key that is meant for the list; tell whether it was. */
  takes(event: KeyboardEvent): boolean {
    if (!this.isOpen || event.isComposing) return false;
    const last = this.items.length - 1;
    if (event.key === "ArrowDown") this.move(this.current === last ? 0 : this.current + 1);
    else if (event.key === "ArrowUp") this.move(this.current === 0 ? last : this.current - 1);
    else if (event.key === "Enter" || event.key === "Tab") this.choose(this.current);
    else if (event.key === "Escape") this.hide();
    else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  }

  remove(): void {
    this.list.remove();
  }

  /** Stand under the line, or over it where there is more room: never on it, nor on the bar of buttons. */
  private stand(at: { left: number; top: number; bottom: number }): void {
    if (!this.isOpen) this.list.showPopover();
    this.list.style.maxHeight = "";
    const { width, height } = this.list.getBoundingClientRect();
    const ceiling = Math.max(0, document.querySelector(".bar")?.getBoundingClientRect().bottom ?? 0);
    const [over, under] = [at.top - 8 - ceiling, innerHeight - at.bottom - 8];
    const isUnder = under >= Math.min(height, 280) || under >= over;
    const high = Math.max(60, Math.min(height, isUnder ? under : over));
    this.list.style.maxHeight = `${high}px`;
    this.list.style.left = `${Math.max(4, Math.min(at.left, innerWidth - width - 4))}px`;
    this.list.style.top = `${isUnder ? at.bottom + 4 : at.top - 4 - high}px`;
  }

  private option(item: string, index: number): HTMLLIElement {
    const option = document.createElement("li");
    option.id = `${this.list.id}-${index}`;
    option.role = "option";
    option.textContent = item;
    return option;
  }

  private move(to: number): void {
    this.current = to;
    [...this.list.children].forEach((option, index) => (option.ariaSelected = String(index === to)));
    const chosen = this.list.children[to];
    chosen?.scrollIntoView({ block: "nearest" });
    if (chosen && this.isShadowed) this.owner.ariaActiveDescendantElement = chosen;
    else if (chosen) this.owner.setAttribute("aria-activedescendant", chosen.id);
  }

  private choose(index: number): void {
    const item = this.items[index];
    this.hide();
    if (item !== undefined) this.pick(item);
  }
}
