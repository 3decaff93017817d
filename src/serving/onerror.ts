// Telling of an error that ends no call of the program's: to the function it gave, or as a warning.
// Knows nothing of where errors come from.

const text = (error: unknown): string => {
  try {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  } catch {
    return 'an error that cannot be printed';
  }
};

function warn(error: unknown, what: string): void {
  const detail = error instanceof Error ? error.stack : undefined;
  process.emitWarning(`${what}: ${text(error)}`, {
    type: 'ServerWarning',
    ...(detail === undefined ? {} : { detail: String(detail) }),
  });
}

/**
 * Tells `onerror`, which cannot do harm: what it throws, or rejects with, is warned of. Without it
 * warns of the error itself.
 */
export function report<P extends { during: string }>(
  onerror: ((error: unknown, place: P) => unknown) | undefined,
  error: unknown,
  place: P,
): void {
  if (onerror === undefined) {
    warn(error, `an error in ${place.during} of a server without onerror`);
    return;
  }
  const failed = (mistake: unknown) => warn(mistake, 'onerror of a server failed');
  try {
    const result = onerror(error, place);
    if (result instanceof Promise) result.catch(failed);
  } catch (mistake) {
    failed(mistake);
  }
}
