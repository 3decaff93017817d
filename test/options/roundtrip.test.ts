// Every row of the options' table against the kernel, through the public API, on every kind of
// socket that the row names: what is settable is set to something new and read back, the rest
// is read. What cannot be tried says why in its row (`untried`).
import assert from 'node:assert/strict';
import { closeSync } from 'node:fs';
import os from 'node:os';
import * as sockets from 'berkeley-sockets';
import { AF_UNIX, type Socket, SocketError, socket, socketpair } from 'berkeley-sockets';
import {
  decodeValue,
  encodeValue,
  lengthToRead,
  type Option,
  type OptionValue,
  options,
  optionsNamed,
  type SocketKind,
  socketKinds,
} from '../../src/spec/options.ts';
import { type Scene, scene } from '../support/scene.ts';

const constants = sockets as unknown as Record<string, number>;

const [major = 0, minor = 0] = os.release().split('.').map(Number);
const olderThan = (version: string): boolean => {
  const [a = 0, b = 0] = version.split('.').map(Number);
  return major < a || (major === a && minor < b);
};

/** Why a kind of socket, or an option on it, cannot be tried on this machine. */
class Missing extends Error {}

const codeOf = (error: unknown): string => (error instanceof SocketError ? error.code : '');

function open(stage: Scene, kind: SocketKind): Socket {
  const [family, type, proto] = socketKinds[kind];
  try {
    return stage.own(socket(constants[family]!, constants[type]!, constants[proto]!));
  } catch (error) {
    const code = codeOf(error);
    // Raw sockets take CAP_NET_RAW; IPv6 and UDP-Lite may be left out of a kernel.
    if (!['EPERM', 'EACCES', 'EAFNOSUPPORT', 'EPROTONOSUPPORT'].includes(code)) throw error;
    throw new Missing(`no ${kind} socket (${code})`);
  }
}

async function openConnected(stage: Scene, kind: SocketKind): Promise<Socket> {
  const [family, type] = socketKinds[kind];
  if (family === 'AF_UNIX') {
    const [a, b] = socketpair(AF_UNIX, constants[type]!);
    stage.own(b);
    return stage.own(a);
  }
  const s = open(stage, kind);
  const host = family === 'AF_INET' ? '127.0.0.1' : '::1';
  try {
    if (type === 'SOCK_RAW') {
      await s.connect([host, 0]);
      return s;
    }
    const peer = open(stage, kind);
    peer.bind([host, 0]);
    if (type === 'SOCK_STREAM') peer.listen();
    await s.connect(peer.getsockname());
    return s;
  } catch (error) {
    if (codeOf(error) !== 'EADDRNOTAVAIL') throw error;
    throw new Missing(`no ${host}`);
  }
}

const get = (s: Socket, option: Option): OptionValue =>
  decodeValue(
    option,
    s.getsockopt(constants[option.level]!, constants[option.name]!, lengthToRead(option) as number),
  );

const set = (s: Socket, option: Option, value: OptionValue): void =>
  s.setsockopt(constants[option.level]!, constants[option.name]!, encodeValue(option, value));

const named = (name: string, level: string): Option => {
  const found = optionsNamed(name).find((option) => option.level === level);
  assert.ok(found, `no row ${name} at ${level}`);
  return found;
};

/** A value other than the initial one, and what the kernel will say of it. */
function another(
  option: Option,
  initial: OptionValue | undefined,
): [value: OptionValue, expected: OptionValue] {
  if (option.type === 'bool' && option.tries === undefined) return [initial !== true, initial !== true];
  assert.ok(option.tries, `${option.name} has neither values to try nor a reason not to`);
  for (const [i, value] of option.tries.entries()) {
    const expected = option.reads?.[i] ?? value;
    try {
      assert.deepEqual(expected, initial);
    } catch {
      return [value, expected];
    }
  }
  assert.fail(`${option.name} begins as ${JSON.stringify(initial)}, and there is nothing else to try`);
}

async function exercise(stage: Scene, option: Option, kind: SocketKind): Promise<void> {
  const s = await (option.when === 'connected'
    ? openConnected(stage, kind)
    : Promise.resolve(open(stage, kind)));
  if (option.access === 'get') {
    const value = get(s, option);
    // The one option whose value is a descriptor of the caller's own.
    if (option.name === 'SO_PEERPIDFD') closeSync(value as number);
    return;
  }
  for (const name of option.after ?? []) {
    const before = named(name, option.level);
    set(s, before, before.tries![0]!);
  }
  const reader = option.readBy
    ? named(option.readBy, option.level)
    : option.access === 'set'
      ? undefined
      : option;
  const [value, expected] = another(option, reader && get(s, reader));
  set(s, option, value);
  if (reader) assert.deepEqual(get(s, reader), expected, `${kind}: set to ${JSON.stringify(value)}`);
}

/** The reason for which this failure is the machine's and not the table's; undefined if there is none. */
function excuse(error: unknown, option: Option, kind: SocketKind): string | undefined {
  if (error instanceof Missing) return error.message;
  const code = codeOf(error);
  const since = option.sinceOn?.[kind] ?? option.since;
  if (['ENOPROTOOPT', 'ENOTSUP'].includes(code) && since && olderThan(since))
    return `Linux ${since} brought it`;
  if (['EPERM', 'EACCES'].includes(code) && option.needs) return `takes ${option.needs}`;
  return undefined;
}

for (const option of options) {
  const title = `${option.level} ${option.name}`;
  scene(
    title,
    async (stage) => {
      const reasons = new Map<SocketKind, string>();
      const refusals = new Map<SocketKind, unknown>();
      for (const kind of option.on) {
        try {
          await exercise(stage, option, kind);
        } catch (error) {
          const reason = excuse(error, option, kind);
          if (reason) reasons.set(kind, reason);
          else if (['ENOPROTOOPT', 'ENOTSUP'].includes(codeOf(error))) refusals.set(kind, error);
          else throw Object.assign(error as Error, { message: `${kind}: ${(error as Error).message}` });
        }
      }
      const tried = option.on.length - reasons.size;
      // A kernel built without an option refuses it everywhere. One that takes it on some
      // kinds and refuses it on others contradicts the row.
      if (refusals.size > 0 && refusals.size < tried) {
        assert.fail(
          `refused on ${[...refusals.keys()].join(', ')}, taken elsewhere: the row's kinds are wrong`,
        );
      }
      if (refusals.size > 0)
        return stage.skip(`this kernel lacks ${option.name}: ${[...refusals.values()][0]}`);
      if (tried === 0) stage.skip([...new Set(reasons.values())].join('; '));
    },
    { skip: option.untried ?? false },
  );
}
