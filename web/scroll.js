// Keeps the newest text in view while the reader is at the bottom, and lets go as soon as they scroll up.

const NEAR = 48;

/** Follows the end of `scroller`; `jump` is the button that is shown while not following. */
export class Follower {
  #scroller;
  #jump;
  #following = true;
  #lastTop = 0;

  constructor(scroller, jump) {
    this.#scroller = scroller;
    this.#jump = jump;
    scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    scroller.addEventListener("wheel", (event) => event.deltaY < 0 && this.#letGo(), { passive: true });
    jump.addEventListener("click", () => this.toLatest());
    new ResizeObserver(() => this.grown()).observe(scroller);
  }

  /** To be called after the content has grown. */
  grown() {
    if (this.#following) {
      this.#scroller.scrollTop = this.#scroller.scrollHeight;
      this.#lastTop = this.#scroller.scrollTop;
    }
    this.#showJump();
  }

  /** Goes to the end and follows again. */
  toLatest() {
    this.#following = true;
    this.grown();
  }

  #letGo() {
    if (this.#scroller.scrollHeight <= this.#scroller.clientHeight + 1) return;
    this.#following = false;
    this.#showJump();
  }

  #scrolled() {
    const { scrollTop } = this.#scroller;
    if (this.#distance() <= NEAR && scrollTop >= this.#lastTop) this.#following = true;
    else if (scrollTop < this.#lastTop - 1) this.#following = this.#distance() <= 1;
    this.#lastTop = scrollTop;
    this.#showJump();
  }

  #distance() {
    return this.#scroller.scrollHeight - this.#scroller.clientHeight - this.#scroller.scrollTop;
  }

  #showJump() {
    this.#jump.hidden = this.#following || this.#distance() <= NEAR;
  }
}
