// One question to the system's resolver, asked off the event loop or at once, and its
// failures as errors. Knows how to wait and how to give up, nothing of what is asked.
import { checkSignal, onAbort } from './abort.ts';
import { type Answer, native } from './binding.ts';
import { addressInfoError, type ErrorTarget, type SocketError, systemError } from './errors.ts';

/** What an error tells of a question. */
interface Asked {
  /** The call that failed. */
  readonly syscall: string;
  readonly target: ErrorTarget;
  /** `host:service` for the message. */
  readonly place: string;
}

/** A question with its arguments already checked. */
export interface Question<Rows, Result> extends Asked {
  /** Whether the answer needs neither files nor the network, so that it is not worth a thread. */
  readonly immediate: boolean;
  later(id: number): number;
  now(): Answer<Rows>;
  read(rows: Rows): Result;
}

let eaiNames: Map<number, string> | undefined;

function eaiName(failure: number): string {
  eaiNames ??= new Map(
    Object.entries(native.constants).flatMap(([name, value]) =>
      name.startsWith('EAI_') && value !== undefined ? [[value, name] as const] : [],
    ),
  );
  return eaiNames.get(failure) ?? `EAI_${failure}`;
}

function failureError({ syscall, target, place }: Asked, failure: number): SocketError {
  if (failure > 0) return systemError(-failure, syscall, target);
  const code = eaiName(failure);
  const message = `${syscall} ${code}${place && ` ${place}`}: ${native.gai_strerror(failure)}`;
  return Object.assign(addressInfoError(code, syscall, message), target);
}

function settle<Rows, Result>(question: Question<Rows, Result>, answer: Answer<Rows>): Result {
  if (typeof answer === 'number') throw failureError(question, answer);
  return question.read(answer);
}

/** The look-ups of this thread that are under way. */
class Resolver {
  #waiting = new Map<number, (answer: Answer<unknown>) => void>();
  #last = 0;
  #started = false;

  #take(id: number): ((answer: Answer<unknown>) => void) | undefined {
    const deliver = this.#waiting.get(id);
    // Nobody waits for what was aborted; a thread that has begun cannot be called back.
    if (deliver !== undefined && this.#waiting.delete(id) && this.#waiting.size === 0) {
      native.holdResolver(false);
    }
    return deliver;
  }

  /** Starts a look-up; `deliver` gets the answer, once. Returns the id to cancel it by, or -errno. */
  start(later: (id: number) => number, deliver: (answer: Answer<unknown>) => void): number {
    if (!this.#started) {
      const result = native.startResolver((id, answer) => this.#take(id)?.(answer));
      if (result < 0) return result;
      this.#started = true;
    }
    const id = ++this.#last;
    const result = later(id);
    if (result < 0) return result;
    if (this.#waiting.size === 0) native.holdResolver(true);
    this.#waiting.set(id, deliver);
    return id;
  }

  cancel(id: number): void {
    if (this.#take(id) !== undefined) native.cancelLookup(id);
  }
}

const resolver = new Resolver();

/**
 * Asks off the event loop.
 *
 * An abort rejects at once with the signal's reason; what the resolver says later is dropped.
 */
export function ask<Rows, Result>(question: Question<Rows, Result>, signal?: AbortSignal): Promise<Result> {
  return new Promise((resolve, reject) => {
    checkSignal(signal);
    if (question.immediate) return resolve(settle(question, question.now()));
    const id = resolver.start(question.later, (answer) => {
      forget?.();
      try {
        resolve(settle(question, answer as Answer<Rows>));
      } catch (error) {
        reject(error);
      }
    });
    if (id < 0) throw systemError(id, question.syscall, question.target);
    const forget =
      signal &&
      onAbort(signal, () => {
        resolver.cancel(id);
        reject(signal.reason);
      });
  });
}
