// A promise with its two ends outside, without a closure a promise. (Promise.withResolvers is
// newer than Node 20.)

export type Resolve = (value: unknown) => void;
export type Reject = (reason: unknown) => void;

/** The ends of the promise that was made last: take them at once. */
export let resolveNext: Resolve;
export let rejectNext: Reject;

const capture = (resolve: Resolve, reject: Reject): void => {
  resolveNext = resolve;
  rejectNext = reject;
};

/** A pending promise; its ends are in `resolveNext` and `rejectNext`. */
export const deferred = (): Promise<unknown> => new Promise(capture);

/** The settled promise of a call that gives nothing. */
export const done: Promise<undefined> = Promise.resolve(undefined);
