// ssh2 over our sockets, to OpenSSH.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import path from 'node:path';
import { promisify } from 'node:util';
import { createConnection } from 'berkeley-sockets';
import { Client, type ClientChannel, type SFTPWrapper } from 'ssh2';
import { Chance } from '../support/chance.ts';
import { requirePeer } from '../support/peer.ts';
import { client } from './row.ts';
import { sshd } from './servers.ts';

const { skip } = requirePeer('sshd');

client(
  {
    client: 'ssh2',
    hook: '`sock` option',
    exercised: 'key login, commands, 4 MiB through cat, SFTP, forwarding',
  },
  async (stage) => {
    const server = await sshd(stage);
    const ssh = new Client();
    stage.after(() => void ssh.destroy());
    const s = await createConnection(['127.0.0.1', server.port]);
    ssh.connect({ sock: s.toDuplex() as never, username: server.user, privateKey: server.privateKey });
    await once(ssh, 'ready');

    const run = async (command: string, input?: Buffer): Promise<[output: Buffer, status: number]> => {
      const channel: ClientChannel = await new Promise((resolve, reject) =>
        ssh.exec(command, (error, given) => (error ? reject(error) : resolve(given))),
      );
      const ended = once(channel, 'exit');
      channel.stderr.resume();
      channel.end(input);
      const output = Buffer.concat(await channel.toArray());
      return [output, (await ended)[0]];
    };
    const [words, status] = await run('echo hello; exit 3');
    assert.equal(String(words), 'hello\n');
    assert.equal(status, 3);
    const bytes = new Chance('cat').bytes(4 << 20);
    const [back] = await run('cat', bytes);
    assert.ok(back.equals(bytes));

    const sftp: SFTPWrapper = await promisify(
      ssh.sftp.bind(ssh) as (done: (e: Error | undefined, s: SFTPWrapper) => void) => void,
    )();
    const file = path.join(server.folder, 'file');
    await promisify(
      sftp.writeFile.bind(sftp) as never as (p: string, d: Buffer, cb: (e?: Error) => void) => void,
    )(file, bytes);
    const read = (await promisify(
      sftp.readFile.bind(sftp) as never as (p: string, cb: (e: Error, d: Buffer) => void) => void,
    )(file)) as never as Buffer;
    assert.ok(read.equals(bytes));

    // Its own port, from the inside.
    const inside: ClientChannel = await new Promise((resolve, reject) =>
      ssh.forwardOut('127.0.0.1', 1, '127.0.0.1', server.port, (error, given) =>
        error ? reject(error) : resolve(given),
      ),
    );
    assert.match(String((await once(inside, 'data'))[0]), /^SSH-2.0-OpenSSH/);
    inside.destroy();
    const closed = once(ssh, 'close');
    ssh.end();
    await closed;
    return server.version;
  },
  { skip },
);
