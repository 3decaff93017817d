// FTP by hand against vsftpd.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { assertLines, runExample, startExample } from '../examples/run.ts';
import { Chance } from '../support/chance.ts';
import { vsftpd } from '../support/daemons.ts';
import { requirePeer } from '../support/peer.ts';
import { scene } from '../support/scene.ts';
import { tempdir } from '../support/tempdir.ts';

const needed = requirePeer('vsftpd', 'socat');

const signIn = [
  /^< 220 \(vsFTPd /,
  '> USER anonymous',
  '< 331 Please specify the password.',
  '> PASS guest@',
  '< 230 Login successful.',
  '> TYPE I',
  '< 200 Switching to Binary mode.',
];
const passive = ['> EPSV', /^< 229 Entering Extended Passive Mode \(\|\|\|\d+\|\)$/];

scene(
  'FTP: a list, a file fetched, one stored to the byte',
  async (s) => {
    const { port, folder } = await vsftpd(s, { README: 'first\nlast\n' });
    const content = new Chance('a file to store').bytes(3_000_000);
    const file = path.join(tempdir(s), 'file');
    writeFileSync(file, content);
    assertLines(await runExample('40-ftp.ts', ['127.0.0.1', port, 'README', file, 'incoming/stored']), [
      ...signIn,
      ...passive,
      '> LIST',
      '< 150 Here comes the directory listing.',
      '< 226 Directory send OK.',
      /^-r.* 11 .* README$/,
      /^drwx.* incoming$/,
      ...passive,
      '> RETR README',
      '< 150 Opening BINARY mode data connection for README (11 bytes).',
      '< 226 Transfer complete.',
      'first',
      'last',
      ...passive,
      '> STOR incoming/stored',
      '< 150 Ok to send data.',
      '< 226 Transfer complete.',
      'Stored 3000000 bytes',
      '> QUIT',
      '< 221 Goodbye.',
    ]);
    assert.ok(readFileSync(path.join(folder, 'incoming/stored')).equals(content), 'what vsftpd stored');
  },
  needed,
);

scene(
  'FTP: a refusal ends the program with what the server says; a name is no second command',
  async (s) => {
    const { port, folder } = await vsftpd(s, { README: 'text' });
    const refused = await startExample(s, '40-ftp.ts', ['127.0.0.1', port, 'missing']).exit(30);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /The server says: 550 Failed to open file\./);

    const name = 'README\r\nMKD incoming/made';
    const injected = await startExample(s, '40-ftp.ts', ['127.0.0.1', port, name]).exit(30);
    assert.equal(injected.code, 1);
    assert.match(injected.stderr, /A command is one line: "RETR README\\r\\nMKD incoming\/made"/);
    assert.throws(() => readFileSync(path.join(folder, 'incoming/made')), { code: 'ENOENT' });
  },
  needed,
);
