// Servers of others that are started for one test: in a temporary folder, on loopback or a path, with a
// configuration of their own.
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { type Peer, runPeer, startPeer, unusedPort } from '../support/peer.ts';
import type { Scene } from '../support/scene.ts';
import { tempdir } from '../support/tempdir.ts';
import { certificate } from './row.ts';

const root = process.getuid?.() === 0;

/** A program and its arguments as another user, who must not be root: the same process, so that signals reach it. */
function asUser(user: string, command: string, args: readonly string[]): [string, string[]] {
  if (!root) return [command, [...args]];
  return ['setpriv', [`--reuid=${user}`, `--regid=${user}`, '--clear-groups', command, ...args]];
}

function owned(folder: string, user: string): string {
  if (!root) return folder;
  const id = (flag: string): number => Number(execFileSync('id', [flag, user], { encoding: 'utf8' }));
  chownSync(folder, id('-u'), id('-g'));
  return folder;
}

export interface Running {
  port: number;
  /** Where it listens in AF_UNIX, if it does. */
  path: string;
  version: string;
  peer: Peer;
  /** The certificate that it shows, if it speaks TLS. */
  cert?: string;
}

/** PostgreSQL with TLS, for the user `postgres` without a password; `path` is its folder. */
export async function postgres(stage: Scene): Promise<Running> {
  const versions = '/usr/lib/postgresql';
  const newest = readdirSync(versions).sort((a, b) => Number(b) - Number(a))[0]!;
  const program = (name: string): string => path.join(versions, newest, 'bin', name);
  const folder = owned(tempdir(stage), 'postgres');
  const data = path.join(folder, 'data');
  const [initdb, made] = asUser('postgres', program('initdb'), [
    ...[
      '-D',
      data,
      '-U',
      'postgres',
      '-A',
      'trust',
      '--no-sync',
      '--no-instructions',
      '--locale=C',
      '-E',
      'UTF8',
    ],
  ]);
  await runPeer(initdb, made, { seconds: 60, cwd: folder });
  const { key, cert } = certificate(stage);
  for (const [name, text] of Object.entries({ 'server.key': key, 'server.crt': cert })) {
    const file = path.join(data, name);
    writeFileSync(file, text);
    chmodSync(file, 0o600);
    owned(file, 'postgres');
  }
  const port = await unusedPort();
  const settings = {
    ssl: 'on',
    fsync: 'off',
    unix_socket_directories: folder,
    listen_addresses: '127.0.0.1',
  };
  const [command, args] = asUser('postgres', program('postgres'), [
    ...['-D', data, '-p', String(port)],
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
  ]);
  const peer = startPeer(stage, command, args, { cwd: folder });
  await peer.line(/ready to accept connections/, { from: 'stderr', seconds: 30 });
  const { stdout } = await runPeer(program('postgres'), ['--version']);
  return { port, path: folder, version: `PostgreSQL ${stdout.split(' ')[2]!.trim()}`, peer, cert };
}

/** Redis, on a port and a path. */
export async function redis(stage: Scene): Promise<Running> {
  const folder = tempdir(stage);
  const port = await unusedPort();
  const local = path.join(folder, 's');
  const settings = ['--port', String(port), '--bind', '127.0.0.1', '--unixsocket', local, '--dir', folder];
  const peer = startPeer(stage, 'redis-server', [...settings, '--save', '', '--appendonly', 'no']);
  await peer.line(/Ready to accept connections/);
  await peer
    .line(/The server is now ready to accept connections at|ready to accept/i, { seconds: 1 })
    .catch(() => {});
  const version = /Redis version=([\d.]+)/.exec(peer.stdout)?.[1];
  return { port, path: local, version: `Redis ${version}`, peer };
}

/** OpenSSH for this user, who shows the key of `keyFile`. */
export async function sshd(
  stage: Scene,
): Promise<Running & { user: string; privateKey: string; folder: string }> {
  const folder = tempdir(stage);
  const key = async (name: string): Promise<string> => {
    const file = path.join(folder, name);
    await runPeer('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', file]);
    return file;
  };
  const [host, own] = [await key('host'), await key('own')];
  if (root && !existsSync('/run/sshd')) mkdirSync('/run/sshd', { mode: 0o755 });
  const port = await unusedPort();
  const config = path.join(folder, 'config');
  writeFileSync(
    config,
    [
      `Port ${port}`,
      'ListenAddress 127.0.0.1',
      `HostKey ${host}`,
      `AuthorizedKeysFile ${own}.pub`,
      'PidFile none',
      'StrictModes no',
      'UsePAM no',
      'PermitRootLogin yes',
      'PasswordAuthentication no',
      'Subsystem sftp internal-sftp',
    ].join('\n'),
  );
  const peer = startPeer(stage, 'sshd', ['-D', '-e', '-f', config]);
  await peer.line(/Server listening/, { from: 'stderr' });
  const user = execFileSync('id', ['-un'], { encoding: 'utf8' }).trim();
  const version = /OpenSSH_\S+/
    .exec((await runPeer('sh', ['-c', 'ssh -V 2>&1'])).stdout)?.[0]
    .replace(/,$/, '');
  return {
    port,
    path: '',
    version: version!.replace('_', ' '),
    peer,
    user,
    privateKey: readFileSync(own, 'utf8'),
    folder,
  };
}

/** Mosquitto, open to everybody on loopback. */
export async function mosquitto(stage: Scene): Promise<Running> {
  const folder = tempdir(stage);
  const config = path.join(folder, 'config');
  const port = await unusedPort();
  const user = root ? ['user root'] : [];
  writeFileSync(
    config,
    [`listener ${port} 127.0.0.1`, 'allow_anonymous true', ...user, 'log_dest stderr', ''].join('\n'),
  );
  const peer = startPeer(stage, 'mosquitto', ['-c', config]);
  await peer.line(/mosquitto version \S+ running/, { from: 'stderr' });
  const version = /mosquitto version (\S+)/.exec(peer.stderr)?.[1];
  return { port, path: '', version: `Mosquitto ${version}`, peer };
}

/** MariaDB with TLS, for the user `me` with the password `secret`. */
export async function mariadb(stage: Scene): Promise<Running> {
  const folder = owned(tempdir(stage), 'mysql');
  const data = path.join(folder, 'data');
  const local = path.join(folder, 's');
  mkdirSync(data);
  owned(data, 'mysql');
  const { key, cert } = certificate(stage);
  const files: Record<string, string> = {
    'key.pem': key,
    'cert.pem': cert,
    'init.sql':
      "create user me@localhost identified by 'secret';\ncreate database mine;\ngrant all on mine.* to me@localhost;\n",
  };
  for (const [name, text] of Object.entries(files)) {
    const file = path.join(folder, name);
    writeFileSync(file, text, { mode: 0o600 });
    owned(file, 'mysql');
  }
  await runPeer(
    'mariadb-install-db',
    [
      ...['--no-defaults', `--datadir=${data}`, '--skip-test-db', '--auth-root-authentication-method=normal'],
      ...(root ? ['--user=mysql'] : []),
    ],
    { seconds: 90 },
  );
  const port = await unusedPort();
  const [command, args] = asUser('mysql', '/usr/sbin/mariadbd', [
    ...[
      '--no-defaults',
      `--datadir=${data}`,
      `--socket=${local}`,
      `--port=${port}`,
      '--bind-address=127.0.0.1',
    ],
    ...[`--ssl-key=${folder}/key.pem`, `--ssl-cert=${folder}/cert.pem`, `--init-file=${folder}/init.sql`],
    ...['--max-allowed-packet=64M', '--innodb-flush-log-at-trx-commit=0', `--pid-file=${folder}/pid`],
  ]);
  const peer = startPeer(stage, command, args, { cwd: folder });
  await peer.line(/ready for connections/, { from: 'stderr', seconds: 60 });
  const version = /Version: '([\d.]+)-MariaDB/.exec(peer.stderr + (await nextLine(peer)))?.[1];
  return { port, path: local, version: `MariaDB ${version}`, peer, cert };
}

// The version stands in the line behind.
const nextLine = (peer: Peer): Promise<string> =>
  peer.line(/Version:/, { from: 'stderr', seconds: 5 }).catch(() => '');
