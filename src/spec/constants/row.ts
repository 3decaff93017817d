// What a row of the constants' table says, and nothing else: no values of the platform.

/** One constant of the public API. */
export interface Constant {
  readonly name: string;
  /**
   * Where its value comes from:
   * - `every`: the C library's headers, every one of them; the build fails without it.
   * - `fixed`: the headers, or else `value`: a number of the kernel's interface (or of a
   *   registry) that can never change, and is the same on every architecture that Node runs
   *   on. For what `#ifdef` cannot see, for what headers older than the constant lack, and for
   *   what no header of the C library has.
   * - `some`: the headers, where they have it; `undefined` elsewhere.
   */
  readonly source: 'every' | 'fixed' | 'some';
  readonly value?: number;
  /** The C expression, where it is not the name itself. */
  readonly c?: string;
  /** The type of `../families.ts` that tells the number from any other. */
  readonly brand?: string;
  /** One line without a full stop. Options have theirs in `options.ts`. */
  readonly doc?: string;
}

export interface ConstantGroup {
  readonly title: string;
  readonly constants: readonly Constant[];
}

type Row = Omit<Constant, 'name'>;

const row = (source: Constant['source'], doc: string | undefined, rest: Partial<Row> = {}): Row => ({
  source,
  ...rest,
  ...(doc === undefined ? {} : { doc }),
});

export const every = (doc?: string): Row => row('every', doc);
export const branded = (brand: string, doc?: string): Row => row('every', doc, { brand });
export const fixed = (value: number, doc?: string): Row => row('fixed', doc, { value });
/** A flag that the C library still defines but warns of when it is named. */
export const ignored = (value: number): Row => row('some', 'ignored since glibc 2.28', { c: String(value) });
export const some = (doc?: string): Row => row('some', doc);

export function group(title: string, rows: Record<string, Row>): ConstantGroup {
  return { title, constants: Object.entries(rows).map(([name, rest]) => ({ name, ...rest })) };
}
