/** A queue that gives out the element that comes before all others. */
export interface PriorityQueue<T> {
  push(value: T): void;
  /** Removes and returns the first element, or undefined when the queue is empty. */
  pop(): T | undefined;
}

/** A binary heap in the order of `before`, which must be a strict order. */
export const createPriorityQueue = <T>(before: (a: T, b: T) => boolean): PriorityQueue<T> => {
  const heap: T[] = [];
  return {
    push(value) {
      let at = heap.length;
      heap.push(value);
      while (at > 0) {
        const parent = (at - 1) >> 1;
        const above = heap[parent] as T;
        if (!before(value, above)) break;
        heap[at] = above;
        at = parent;
      }
      heap[at] = value;
    },
    pop() {
      const first = heap[0];
      const last = heap.pop();
      if (heap.length === 0 || last === undefined) return first;
      let at = 0;
      for (;;) {
        let child = 2 * at + 1;
        if (child >= heap.length) break;
        if (child + 1 < heap.length && before(heap[child + 1] as T, heap[child] as T)) child += 1;
        const below = heap[child] as T;
        if (!before(below, last)) break;
        heap[at] = below;
        at = child;
      }
      heap[at] = last;
      return first;
    },
  };
};
