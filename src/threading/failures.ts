// Errors on their way to another thread: the structured clone algorithm keeps their name, message,
// stack and cause, and drops the class and every other field, such as `code`.
import {
  AddressInfoError,
  ClosedError,
  IncompleteReadError,
  LimitError,
  SocketError,
  TimeoutError,
} from '../errors.ts';

const classes: Record<string, { prototype: Error }> = {
  SocketError,
  TimeoutError,
  AddressInfoError,
  ClosedError,
  IncompleteReadError,
  LimitError,
  Error,
  TypeError,
  RangeError,
  SyntaxError,
  ReferenceError,
  EvalError,
  URIError,
  AggregateError,
};

/** An error, or whatever was thrown in its place, as a message can hold it. */
export type PackedFailure =
  | { thrown: unknown }
  | { name: string; stack: string | undefined; fields: [key: string, value: unknown][]; causes: Causes };
type Causes = { cause?: PackedFailure; errors?: PackedFailure[] };

const DEEPEST = 8;

function clonable(value: unknown): boolean {
  if (value === null || typeof value !== 'object') return !['function', 'symbol'].includes(typeof value);
  try {
    structuredClone(value);
    return true;
  } catch {
    return false;
  }
}

/** Packs what was thrown. Does not throw. */
export function packFailure(error: unknown, depth = 0): PackedFailure {
  try {
    if (!(error instanceof Error) || depth > DEEPEST)
      return { thrown: clonable(error) ? error : String(error) };
    const { name, message, stack, cause } = error;
    const fields = Object.entries(error).filter(
      ([key, value]) => key !== 'cause' && key !== 'errors' && clonable(value),
    );
    fields.push(['message', String(message)]);
    const causes: Causes = {};
    if (cause !== undefined) causes.cause = packFailure(cause, depth + 1);
    if (error instanceof AggregateError)
      causes.errors = error.errors.map((each) => packFailure(each, depth + 1));
    return { name: String(name), stack: stack === undefined ? undefined : String(stack), fields, causes };
  } catch {
    return { thrown: 'an error that cannot be told' };
  }
}

/** The error again, of the same class if that is one of the language or of this library. */
export function unpackFailure(packed: PackedFailure): unknown {
  if ('thrown' in packed) return packed.thrown;
  const { name, stack, fields, causes } = packed;
  const known = Object.hasOwn(classes, name) ? classes[name]! : undefined;
  // A real error, which tools know by more than its prototype.
  const error = Object.setPrototypeOf(new Error(), known?.prototype ?? Error.prototype) as Error;
  const hide = (key: string, value: unknown) =>
    Object.defineProperty(error, key, { value, configurable: true, writable: true, enumerable: false });
  if (known === undefined) hide('name', name);
  for (const [key, value] of fields) {
    if (key === 'message') hide(key, value);
    else (error as unknown as Record<string, unknown>)[key] = value;
  }
  hide('stack', stack);
  if (causes.cause !== undefined) hide('cause', unpackFailure(causes.cause));
  if (causes.errors !== undefined) hide('errors', causes.errors.map(unpackFailure));
  return error;
}
