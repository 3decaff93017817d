// `sock connect` at a terminal: lines are edited, what comes does not tear them apart, Telnet at a real server.
import net from 'node:net';
import { test } from 'node:test';
import { eventually } from '../support/deadline.ts';
import { requirePeer, startPeer } from '../support/peer.ts';
import { program } from './sockcommand.ts';
import { Terminal } from './terminal.ts';

const command = `'${process.execPath}' '${program}'`;

test('lines are edited, and what comes stands above them', requirePeer('tmux'), async (t) => {
  const peers: net.Socket[] = [];
  let text = '';
  let ended = false;
  const server = net.createServer({ allowHalfOpen: true }, (peer) => {
    peers.push(peer);
    peer.on('error', () => {});
    peer.on('data', (data) => {
      text += data.toString();
    });
    peer.on('end', () => {
      ended = true;
      peer.end('bye\n');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.close();
    for (const peer of peers) peer.destroy();
  });
  const terminal = await Terminal.open(t, { width: 60 });
  await terminal.type(`${command} connect ${(server.address() as net.AddressInfo).port}; echo "status $?"`);
  await terminal.shows(/connected to 127\.0\.0\.1:/);
  peers[0]!.write('name: ');
  await terminal.shows(/^name:$/m);
  await terminal.press('-l', 'helpo');
  await terminal.press('BSpace', 'BSpace', 'l', 'o');
  await terminal.shows(/^name: hello$/m);
  // In the middle of the line that is being typed.
  peers[0]!.write('news\nand: ');
  await terminal.shows(/^name: news\nand: hello$/m);
  await terminal.press('Enter');
  await eventually(() => text === 'hello\n', 'the line', 20);
  await terminal.press('Up', 'Enter');
  await eventually(() => text === 'hello\nhello\n', 'the line of the history', 20);
  await terminal.press('C-d');
  await eventually(() => ended, 'the end', 20);
  await terminal.shows(/^bye\n(?:.*\n)?status 0$/m);
});

test(
  'telnetd: a shell, with the size and the kind of the terminal',
  requirePeer('telnetd', 'socat', 'tmux'),
  async (t) => {
    const peer = startPeer(t, 'socat', [
      ...['-d', '-d', 'TCP-LISTEN:0,bind=127.0.0.1', 'EXEC:telnetd --exec-login=/bin/sh,nofork'],
    ]);
    const line = await peer.line(/listening on/, { from: 'stderr' });
    const port = /:([0-9]+)\s*$/.exec(line)![1]!;
    const terminal = await Terminal.open(t, { width: 77, height: 23 });
    await terminal.type(`${command} connect --telnet 127.0.0.1 ${port}; echo "status $?"`);
    await terminal.shows(/^[#$] ?$/m);
    await terminal.type('echo $((6*7)) $TERM; stty size');
    await terminal.shows(/^42 .+\n23 77$/m);
    await terminal.type('exit');
    await terminal.shows(/status 0$/m);
  },
);
