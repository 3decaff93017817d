// Questions to the system's resolver, for which the event loop or the thread waits, and its
// failures as errors. Knows how to wait and how to give up, nothing of what is asked.
import { checkSignal, onAbort } from './abort.ts';
import { type Answer, native } from './binding.ts';
import {
  addressInfoError,
  type ErrorTarget,
  type SocketError,
  systemError,
  type TimeoutError,
  timeoutError,
} from './errors.ts';
import { SLICE } from './timeout.ts';

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

/** The way to an answer: yields questions, is given what they give, or their failure is thrown in. */
export type Steps<Result> = Generator<Question<unknown, unknown>, Result, unknown>;

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

  #begin(later: (id: number) => number, id: number): number {
    if (!this.#started) {
      const result = native.startResolver((done, answer) => this.#take(done)?.(answer));
      if (result < 0) return result;
      this.#started = true;
    }
    return later(id);
  }

  /** Starts a look-up; `deliver` gets the answer, once. Returns the id to cancel it by, or -errno. */
  start(later: (id: number) => number, deliver: (answer: Answer<unknown>) => void): number {
    const id = ++this.#last;
    const result = this.#begin(later, id);
    if (result < 0) return result;
    if (this.#waiting.size === 0) native.holdResolver(true);
    this.#waiting.set(id, deliver);
    return id;
  }

  /** Starts a look-up and blocks for its answer; `undefined` at the deadline. */
  block(later: (id: number) => number, deadline: number): Answer<unknown> | undefined {
    const id = -++this.#last;
    const result = this.#begin(later, id);
    if (result < 0) return -result;
    for (;;) {
      const left = deadline - performance.now();
      const answer = native.awaitLookup(id, Math.max(0, Math.min(SLICE, Math.ceil(left))));
      if (answer !== undefined) return answer;
      if (left > 0) continue;
      native.cancelLookup(id);
      return undefined;
    }
  }

  cancel(id: number): void {
    if (this.#take(id) !== undefined) native.cancelLookup(id);
  }
}

const resolver = new Resolver();

function ask(question: Question<unknown, unknown>, signal: AbortSignal | undefined): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const id = resolver.start(question.later, (answer) => {
      forget?.();
      try {
        resolve(settle(question, answer));
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

/**
 * Goes the steps off the event loop.
 *
 * An abort rejects at once with the signal's reason; what the resolver says later is dropped.
 */
export async function later<Result>(steps: Steps<Result>, signal?: AbortSignal): Promise<Result> {
  for (let step = steps.next(); ; ) {
    if (step.done) return step.value;
    checkSignal(signal);
    const question = step.value;
    let given: unknown;
    try {
      given = question.immediate ? settle(question, question.now()) : await ask(question, signal);
    } catch (error) {
      // A signal's reason may be a SocketError too: it is the caller's, and no failure of a step.
      if (signal?.aborted) throw error;
      step = steps.throw(error);
      continue;
    }
    step = steps.next(given);
  }
}

/**
 * Goes the steps while the thread waits, in slices, until `deadline` (as performance.now() tells
 * the time) at the longest; `late` makes the error of what it cuts off.
 */
export function now<Result>(
  steps: Steps<Result>,
  deadline = Number.POSITIVE_INFINITY,
  late: (asked: Asked) => TimeoutError = ({ syscall, target }) => timeoutError(syscall, target),
): Result {
  for (let step = steps.next(); ; ) {
    if (step.done) return step.value;
    const question = step.value;
    const answer = question.immediate ? question.now() : resolver.block(question.later, deadline);
    if (answer === undefined) throw late(question);
    let given: unknown;
    try {
      given = settle(question, answer);
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next(given);
  }
}
