// Certificates for one run of the tests: an authority, and keys that it has signed, well or badly.
// Made with openssl(1), once a process.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { requirePeer, runPeer } from '../support/peer.ts';

export const openssl = requirePeer('openssl');

/** A key and its certificate: PEM, and the files that they are in. */
export interface Identity {
  key: Buffer;
  cert: Buffer;
  keyFile: string;
  certFile: string;
}

export interface Certificates {
  /** The authority's certificate, and its file. */
  ca: Buffer;
  caFile: string;
  /** For localhost, 127.0.0.1 and ::1. */
  server: Identity;
  /** For other.example. */
  other: Identity;
  /** For localhost, until yesterday. */
  expired: Identity;
  /** For localhost, signed by itself. */
  selfSigned: Identity;
  /** Of a client, named "friend". */
  client: Identity;
  /** Of a client, named "friend", signed by itself. */
  stranger: Identity;
}

let made: Promise<Certificates> | undefined;

/** The certificates of this process. */
export function certificates(): Promise<Certificates> {
  made ??= make();
  return made;
}

async function make(): Promise<Certificates> {
  const folder = mkdtempSync(path.join(tmpdir(), 'bsd-'));
  process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
  const at = (name: string) => path.join(folder, name);
  const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  const authority = ['-CA', at('ca.pem'), '-CAkey', at('ca.key'), '-CAcreateserial'];
  const identity = (name: string): Identity => ({
    key: readFileSync(at(`${name}.key`)),
    cert: readFileSync(at(`${name}.pem`)),
    keyFile: at(`${name}.key`),
    certFile: at(`${name}.pem`),
  });

  async function own(name: string, subject: string, names: string): Promise<Identity> {
    const subjectNames = names === '' ? [] : ['-addext', `subjectAltName=${names}`];
    const files = ['-keyout', at(`${name}.key`), '-out', at(`${name}.pem`)];
    await runPeer('openssl', [
      'req',
      '-x509',
      ...newKey,
      ...files,
      '-subj',
      `/CN=${subject}`,
      ...subjectNames,
    ]);
    return identity(name);
  }

  async function signed(name: string, subject: string, names: string, days: number): Promise<Identity> {
    const files = ['-keyout', at(`${name}.key`), '-out', at(`${name}.csr`)];
    await runPeer('openssl', ['req', ...newKey, ...files, '-subj', `/CN=${subject}`]);
    writeFileSync(at(`${name}.ext`), `subjectAltName=${names}\n`);
    const extra = ['-extfile', at(`${name}.ext`), '-days', String(days)];
    const certificate = ['-in', at(`${name}.csr`), '-out', at(`${name}.pem`)];
    await runPeer('openssl', ['x509', '-req', ...certificate, ...authority, ...extra]);
    return identity(name);
  }

  const ca = (await own('ca', 'authority', '')).cert;
  const local = 'DNS:localhost,IP:127.0.0.1,IP:::1';
  return {
    ca,
    caFile: at('ca.pem'),
    server: await signed('server', 'localhost', local, 3),
    other: await signed('other', 'other.example', 'DNS:other.example', 3),
    // Its end lies a day before its beginning.
    expired: await signed('expired', 'localhost', local, -1),
    selfSigned: await own('self', 'localhost', local),
    client: await signed('client', 'friend', 'DNS:friend', 3),
    stranger: await own('stranger', 'friend', 'DNS:friend'),
  };
}
