// Times by the hundred thousand in little memory: counts in buckets that grow with the value, so that
// each is known to a hundredth of itself. Pure.

const PARTS = 64;
const MOST_OF_ALL = 0.995;

const bucketOf = (value: number): number => Math.floor(Math.log2(Math.max(value, 1e-9)) * PARTS);

/** A histogram of positive numbers. */
export class Histogram {
  readonly #counts = new Map<number, number>();
  #sum = 0;
  count = 0;
  min = Number.POSITIVE_INFINITY;
  max = 0;

  add(value: number): void {
    const bucket = bucketOf(value);
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + 1);
    this.#sum += value;
    this.count++;
    if (value < this.min) this.min = value;
    if (value > this.max) this.max = value;
  }

  get mean(): number {
    return this.count === 0 ? 0 : this.#sum / this.count;
  }

  #sorted(): [number, number][] {
    return [...this.#counts].sort((a, b) => a[0] - b[0]);
  }

  /** The value that a share of all (0 to 1) does not exceed. */
  quantile(share: number): number {
    let left = Math.max(1, Math.ceil(share * this.count));
    for (const [bucket, count] of this.#sorted()) {
      left -= count;
      // The middle of the bucket, but nothing that was not there.
      if (left <= 0) return Math.min(this.max, Math.max(this.min, 2 ** ((bucket + 0.5) / PARTS)));
    }
    return this.max;
  }

  /**
   * At most `most` ranges of equal ratio, with their counts; the last one reaches to the greatest value:
   * a few that took very long would make the others' differences disappear.
   */
  ranges(most: number): { from: number; to: number; count: number }[] {
    if (this.count === 0) return [];
    const sorted = this.#sorted();
    const first = sorted[0]![0];
    const last = Math.max(first, bucketOf(this.quantile(MOST_OF_ALL)));
    const width = Math.ceil((last - first + 1) / most);
    const ranges = Array.from({ length: Math.ceil((last - first + 1) / width) }, (_, at) => ({
      from: 2 ** ((first + at * width) / PARTS),
      to: 2 ** ((first + (at + 1) * width) / PARTS),
      count: 0,
    }));
    const tail = ranges.at(-1)!;
    for (const [bucket, count] of sorted)
      (ranges[Math.floor((bucket - first) / width)] ?? tail).count += count;
    tail.to = Math.max(tail.to, this.max);
    return ranges;
  }
}

const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** A bar whose length is `share` (0 to 1) of `width`, to an eighth of a character. */
export function bar(share: number, width: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * width * 8);
  return '█'.repeat(eighths >> 3) + EIGHTHS[eighths & 7];
}
