// Servers that others wrote and that Debian packages, each with a configuration, a folder and a port of
// its own, and where the tests are root as the user nobody: none touches what the machine runs.
// Knows nothing of the library under test.
import { spawnSync } from 'node:child_process';
import { chownSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { eventually } from './deadline.ts';
import { type Peer, runPeer, startPeer, unusedPort } from './peer.ts';
import { type Ending, tempdir } from './tempdir.ts';

export const asRoot = process.getuid?.() === 0;

/** Who a server runs as, and the numbers of that user. */
export interface User {
  readonly name: string;
  readonly group: string;
  readonly uid: number;
  readonly gid: number;
}

// The numbers are the same on every Debian: base-passwd.
const nobody: User = { name: 'nobody', group: 'nogroup', uid: 65534, gid: 65534 };

/** The user that a server is told to be: nobody, or whoever runs the tests. */
export function serverUser(): string {
  return asRoot ? nobody.name : runId('-un');
}

export function serverGroup(): string {
  return asRoot ? nobody.group : runId('-gn');
}

const runId = (option: string): string => spawnSync('id', [option], { encoding: 'utf8' }).stdout.trim();

/** Makes the files (a name that ends with `/` is a folder) in a folder that becomes the server's own. */
export function home(t: Ending, files: Readonly<Record<string, string>>, user = nobody): string {
  const folder = tempdir(t);
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(folder, name);
    mkdirSync(name.endsWith('/') ? file : path.dirname(file), { recursive: true });
    if (!name.endsWith('/')) writeFileSync(file, content.replaceAll('@HOME@', folder), { mode: 0o755 });
  }
  give(folder, user);
  return folder;
}

/** Makes a folder with all in it the server's own. */
export function give(folder: string, user = nobody): void {
  if (!asRoot) return;
  for (const name of ['.', ...readdirSync(folder, { recursive: true, encoding: 'utf8' })])
    chownSync(path.join(folder, name), user.uid, user.gid);
}

/** A command as it is run by that user, where the tests are root. */
export function as(command: readonly string[], { uid, gid } = nobody): string[] {
  return asRoot
    ? ['setpriv', `--reuid=${uid}`, `--regid=${gid}`, '--clear-groups', ...command]
    : [...command];
}

export function startDaemon(t: Ending, [command, ...args]: readonly string[], env = process.env): Peer {
  return startPeer(t, command!, args, { env });
}

/** Waits until something listens there, or the daemon has ended, which is an error. */
export async function answers(daemon: Peer, address: number | string, seconds = 20): Promise<void> {
  const attempt = () =>
    new Promise<void>((resolve, reject) => {
      if (daemon.child.exitCode !== null) return resolve();
      const s =
        typeof address === 'string'
          ? net.connect(address)
          : net.connect({ port: address, host: '127.0.0.1' });
      s.once('connect', () => s.destroy()).once('error', reject);
      s.once('close', () => resolve());
    });
  const what = `${daemon.command} to listen`;
  await eventually(attempt, what, seconds);
  const { exitCode } = daemon.child;
  if (exitCode !== null)
    throw new Error(`${what}: exit status ${exitCode}\n${daemon.stdout}${daemon.stderr}`);
}

/** Makes key.pem and certificate.pem, of `localhost`, in the folder of a server. */
async function certify(folder: string): Promise<string> {
  const certificate = path.join(folder, 'certificate.pem');
  const name = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-noenc'];
  const out = ['-keyout', path.join(folder, 'key.pem'), '-out', certificate];
  await runPeer('openssl', ['req', '-x509', ...key, ...name, ...out, '-days', '2']);
  return certificate;
}

/** A program that serves one client on its standard input and output, as inetd starts it: its port. */
async function inetd(t: Ending, command: string): Promise<number> {
  const listen = 'TCP-LISTEN:0,bind=127.0.0.1,fork';
  // With nofork the program has the connection itself, and can ask who the peer is.
  const socat = startDaemon(t, as(['socat', '-d', '-d', listen, `EXEC:${command},nofork`]));
  return Number(/\d+$/.exec(await socat.line(/listening on/, { from: 'stderr' }))![0]);
}

/** vsftpd, for anonymous users: what is in `folder` is served, and `incoming` takes files. */
export async function vsftpd(t: Ending, files: Record<string, string>) {
  const served = Object.entries(files).map(([name, content]) => [`root/${name}`, content]);
  const folder = home(t, {
    ...Object.fromEntries(served),
    'root/incoming/': '',
    'vsftpd.conf': `
listen=NO
run_as_launching_user=YES
anonymous_enable=YES
local_enable=NO
write_enable=YES
anon_upload_enable=YES
anon_root=@HOME@/root
allow_writeable_chroot=YES
ftp_username=${serverUser()}
connect_from_port_20=NO
seccomp_sandbox=NO
xferlog_enable=NO
`.trimStart(),
  });
  const port = await inetd(t, `vsftpd ${folder}/vsftpd.conf`);
  return { port, folder: path.join(folder, 'root') };
}

/** inetutils' telnetd; behind it, in place of login, a shell script. */
export async function telnetd(t: Ending, script: string): Promise<number> {
  const folder = home(t, { session: `#!/bin/sh\n${script}` });
  return inetd(t, `telnetd -h -E ${folder}/session`);
}

/** OpenSSH's server: its port. Nobody can sign in. */
export async function sshd(t: Ending): Promise<number> {
  const folder = home(t, {});
  await runPeer('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', path.join(folder, 'key')]);
  give(folder);
  const port = await unusedPort();
  const options = ['ListenAddress=127.0.0.1', `Port=${port}`, 'PidFile=none'].flatMap((each) => ['-o', each]);
  // It starts itself anew for each connection, and wants to know where it is.
  const command = ['/usr/sbin/sshd', '-D', '-e', '-f', '/dev/null', '-h', `${folder}/key`, ...options];
  const daemon = startDaemon(t, as(command));
  await daemon.line(/^Server listening/, { from: 'stderr' });
  return port;
}

/** Dovecot's POP3, `localhost` inside TLS: everybody has the password, and the messages of `maildir`. */
export async function dovecot(t: Ending, maildir: string, password: string) {
  const port = await unusedPort();
  const user = serverUser();
  const folder = home(t, {
    'run/': '',
    'dovecot.conf': `
base_dir = @HOME@/run
state_dir = @HOME@/run
log_path = /dev/stderr
protocols = pop3
listen = 127.0.0.1
ssl = yes
ssl_cert = <@HOME@/certificate.pem
ssl_key = <@HOME@/key.pem
disable_plaintext_auth = no
default_internal_user = ${user}
default_internal_group = ${serverGroup()}
default_login_user = ${user}
first_valid_uid = 1
mail_location = maildir:${maildir}:CONTROL=@HOME@:INDEX=@HOME@
passdb {
  driver = static
  args = password=${password}
}
userdb {
  driver = static
  args = uid=${user} gid=${serverGroup()} home=@HOME@
}
service anvil {
  chroot =
}
service stats {
  client_limit = 100
}
service pop3-login {
  chroot =
  inet_listener pop3 {
    port = ${port}
  }
  inet_listener pop3s {
    port = 0
  }
}
`,
  });
  const certificate = await certify(folder);
  give(folder);
  const daemon = startDaemon(t, as(['dovecot', '-F', '-c', `${folder}/dovecot.conf`]));
  await answers(daemon, port);
  return { port, certificate };
}

// OpenSMTPD has to be root, and its queue and control socket lie where its packager put them: here in
// file systems that only it sees.
const ownMounts = [
  'unshare',
  '--mount',
  'sh',
  '-c',
  'mount -t tmpfs tmpfs /var/spool && mount -t tmpfs tmpfs /run && exec "$@"',
  'sh',
];

/** Why OpenSMTPD cannot be started here; false where it can. */
export function noSmtpd(): string | false {
  if (!asRoot) return 'OpenSMTPD starts as root only';
  const probe = spawnSync(ownMounts[0]!, [...ownMounts.slice(1), 'true'], { encoding: 'utf8' });
  return probe.status === 0 ? false : `no mounts of its own to be had: ${probe.stderr.trim()}`;
}

/** OpenSMTPD, which delivers whatever it is given to one Maildir. (As Debian 12 has it, with OpenSSL 3, it cannot TLS.) */
export async function smtpd(t: Ending) {
  const port = await unusedPort();
  const folder = home(t, {
    'mail/': '',
    'smtpd.conf': `
listen on 127.0.0.1 port ${port} hostname mail.example.org
action "deliver" maildir "@HOME@/mail" virtual { "@" = ${nobody.name} }
match from any for any action "deliver"
`,
  });
  const daemon = startDaemon(t, [...ownMounts, 'smtpd', '-d', '-f', `${folder}/smtpd.conf`]);
  await answers(daemon, port);
  return { port, maildir: path.join(folder, 'mail') };
}

/** nginx with these files, over HTTP, over HTTPS as `localhost`, and over HTTP on an AF_UNIX socket. */
export async function nginx(t: Ending, files: Record<string, string>) {
  const served = Object.entries(files).map(([name, content]) => [`html/${name}`, content]);
  const [http, https] = [await unusedPort(), await unusedPort()];
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  const folder = home(t, {
    ...Object.fromEntries(served),
    'nginx.conf': `
daemon off;
master_process off;
pid @HOME@/pid;
error_log stderr;
events {}
http {
  access_log off;
  ${temporary.map((name) => `${name}_temp_path @HOME@/${name};`).join('\n  ')}
  server {
    listen 127.0.0.1:${http};
    listen 127.0.0.1:${https} ssl;
    listen unix:@HOME@/socket;
    ssl_certificate @HOME@/certificate.pem;
    ssl_certificate_key @HOME@/key.pem;
    root @HOME@/html;
    types { text/html html; application/json json; text/plain txt; }
    ssi on;
  }
}
`,
  });
  const certificate = await certify(folder);
  give(folder);
  const daemon = startDaemon(t, as(['nginx', '-e', 'stderr', '-c', `${folder}/nginx.conf`]));
  await answers(daemon, http);
  return { http, https, socket: path.join(folder, 'socket'), certificate };
}

/** rsyslog with two sockets, as /dev/log and for RFC 5424, and a file with a line of JSON a message. */
export async function rsyslogd(t: Ending) {
  const folder = home(t, {
    'rsyslog.conf': `
module(load="imuxsock" SysSock.Use="off")
input(type="imuxsock" Socket="@HOME@/log" RateLimit.Interval="0")
input(type="imuxsock" Socket="@HOME@/log5424" UseSpecialParser="off" ParseHostname="on" RateLimit.Interval="0")
template(name="json" type="list") { property(outname="m" name="jsonmesg") constant(value="\\n") }
action(type="omfile" file="@HOME@/messages" template="json")
`,
  });
  const command = ['rsyslogd', '-n', '-f', `${folder}/rsyslog.conf`, '-i', `${folder}/pid`];
  const daemon = startDaemon(t, as(command));
  // It lets the sockets be when it ends: they are gone with the folder.
  const there = () => readdirSync(folder).includes('log5424');
  await eventually(there, `${daemon.command} to listen`, 20);
  return {
    log: path.join(folder, 'log'),
    log5424: path.join(folder, 'log5424'),
    messages: path.join(folder, 'messages'),
  };
}
