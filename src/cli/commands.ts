// Every command, declared once: parsing, help, man pages and completion are made of these rows.
import type { CommandSpec } from './spec.ts';
import { bench } from './specs/bench.ts';
import { connect } from './specs/connect.ts';
import { fetch } from './specs/fetch.ts';
import { listen } from './specs/listen.ts';
import { netstat } from './specs/netstat.ts';
import { ping } from './specs/ping.ts';
import { resolve } from './specs/resolve.ts';
import { serve } from './specs/serve.ts';
import { services } from './specs/services.ts';
import { tap } from './specs/tap.ts';
import { wait } from './specs/wait.ts';

export const commands: readonly CommandSpec[] = [
  bench,
  connect,
  fetch,
  listen,
  netstat,
  ping,
  resolve,
  serve,
  services,
  tap,
  wait,
];
