// basic-ftp over our sockets, to vsftpd.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Writable } from 'node:stream';
import { Client, FTPContext } from 'basic-ftp';
import { type SocketDuplex, socket } from 'berkeley-sockets';
import { Chance } from '../support/chance.ts';
import { vsftpd } from '../support/daemons.ts';
import { requirePeer, runPeer } from '../support/peer.ts';
import { tempdir } from '../support/tempdir.ts';
import { client } from './row.ts';

const { skip } = requirePeer('vsftpd', 'socat');

// One place makes all its sockets, those of data connections too; also ones that it drops unused, which
// cost a net.Socket nothing.
const made: SocketDuplex[] = [];
class OurContext extends FTPContext {
  override _newSocket(): never {
    const stream = socket().toDuplex();
    made.push(stream);
    return stream as never;
  }
}

client(
  {
    client: 'basic-ftp',
    hook: '`FTPContext._newSocket`',
    exercised: 'passive mode: list, fetch, store, 3 MB each way',
  },
  async (stage) => {
    const content = new Chance('ftp').bytes(3_000_000);
    const { port, folder } = await vsftpd(stage, { README: 'first\nlast\n' });
    const ftp = new Client();
    (ftp as { ftp: FTPContext }).ftp = new OurContext(10_000);
    stage.after(() => {
      ftp.close();
      for (const each of made) each.destroy();
    });
    await ftp.access({ host: '127.0.0.1', port });
    assert.deepEqual(
      (await ftp.list()).map(({ name, size }) => `${name} ${name === 'README' ? size : ''}`).sort(),
      ['README 11', 'incoming '],
    );
    const file = path.join(tempdir(stage), 'file');
    writeFileSync(file, content);
    await ftp.uploadFrom(file, 'incoming/stored');
    assert.ok(readFileSync(path.join(folder, 'incoming/stored')).equals(content));
    const got: Buffer[] = [];
    await ftp.downloadTo(
      new Writable({ write: (chunk, _encoding, done) => done(void got.push(chunk)) }),
      'README',
    );
    assert.equal(Buffer.concat(got).toString(), 'first\nlast\n');
    await assert.rejects(ftp.size('missing'), { code: 550 });
    const { stdout } = await runPeer('sh', ['-c', 'vsftpd -v 0>&1 2>&1 | cat']).catch(() => ({ stdout: '' }));
    return `vsftpd ${/version ([\d.]+)/.exec(stdout)?.[1] ?? ''}`.trim();
  },
  { skip },
);
