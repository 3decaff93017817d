// A thread's module in TypeScript, which the process has to be able to run.
import type { Socket } from 'berkeley-sockets/sync';

interface Greeting {
  readonly text: string;
}

export default function greet(s: Socket, greeting: Greeting): number {
  s.sendall(greeting.text satisfies string);
  return greeting.text.length;
}
