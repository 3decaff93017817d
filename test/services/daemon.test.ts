// Daemons that are spoken to by datagrams over AF_UNIX, which Node by itself does not have: syslog, a
// counter of metrics, and the service manager.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { runExample, startExample } from '../examples/run.ts';
import { rsyslogd } from '../support/daemons.ts';
import { eventually } from '../support/deadline.ts';
import { type Peer, requirePeer, runPeer } from '../support/peer.ts';
import { startPython } from '../support/python.ts';
import { type Scene, scene } from '../support/scene.ts';
import { tempdir, tempPath } from '../support/tempdir.ts';

const rsyslog = { ...requirePeer('rsyslogd'), seconds: 60 };

/** What rsyslog made of the message that holds this word. */
function logged(file: string, word: string): Promise<Record<string, string>> {
  return eventually(
    () => {
      const lines = readFileSync(file, 'utf8').split('\n');
      return JSON.parse(lines.find((line) => line.includes(word))!);
    },
    `rsyslog to write ${word}`,
    20,
  );
}

scene(
  'syslog: rsyslog hears it as it hears logger of util-linux',
  async (s) => {
    const { log, messages } = await rsyslogd(s);
    const [line] = await runExample('48-syslog.ts', ['Grüße from here', log]);
    assert.match(line!, /^\d+ bytes to /);
    await runPeer('logger', ['-u', log, '-t', 'by-hand', '--id=7', '-p', 'user.notice', 'Grüße from there']);
    const [here, there] = [await logged(messages, 'from here'), await logged(messages, 'from there')];
    assert.match(here.procid!, /^\d+$/);
    assert.equal(there.procid, '7');
    assert.ok(Math.abs(Date.parse(here.timereported!) - Date.now()) < 60_000, here.timereported);
    for (const [message, told] of [
      [here, ' Grüße from here'],
      [there, ' Grüße from there'],
    ] as const) {
      const { msg, programname, syslogfacility, syslogseverity } = message;
      assert.deepEqual(
        { msg, programname, syslogfacility, syslogseverity },
        { msg: told, programname: 'by-hand', syslogfacility: '1', syslogseverity: '5' },
      );
    }
  },
  rsyslog,
);

scene(
  'syslog: with its data, as RFC 5424 has it',
  async (s) => {
    const { log5424, messages } = await rsyslogd(s);
    await runExample('48-syslog.ts', ['Grüße, structured', log5424, '5424']);
    const message = await logged(messages, 'structured');
    assert.equal(message.msg, '\ufeffGrüße, structured');
    assert.equal(message['protocol-version'], '1');
    assert.equal(message['app-name'], 'by-hand');
    assert.equal(message.msgid, 'GREETING');
    assert.equal(message['structured-data'], '[origin software="by-hand"]');
    assert.match(message.procid!, /^\d+$/);
    assert.ok(Math.abs(Date.parse(message.timereported!) - Date.now()) < 60_000, message.timereported);
  },
  rsyslog,
);

scene('syslog: nobody there is an error that names the socket', async (s) => {
  const file = tempPath(s, 'log');
  const result = await startExample(s, '48-syslog.ts', ['Hello', file]).exit(30);
  assert.equal(result.code, 1);
  assert.ok(result.stderr.includes(`connect ENOENT ${file}`), result.stderr);
});

/** Receives datagrams at `file` and prints each, when it is told to. */
async function receiver(s: Scene, file: string): Promise<Peer> {
  const python = startPython(
    s,
    `
    import sys
    from socket import *
    s = socket(AF_UNIX, SOCK_DGRAM)
    s.bind(sys.argv[1])
    print('ready')
    sys.stdin.readline()
    while True: print(s.recv(65536).decode().split('\\n'))
    `,
    [file],
  );
  await python.line(/^ready$/);
  return python;
}

const { skip } = requirePeer('python3');
const python = { ...(skip === undefined ? {} : { skip }), seconds: 60 };

scene(
  'metrics: several in a datagram',
  async (s) => {
    const file = tempPath(s, 'dsd.socket');
    const agent = await receiver(s, file);
    agent.write('\n');
    assert.deepEqual(await runExample('49-statsd.ts', [file]), ['3 metrics sent, 0 dropped']);
    assert.equal(
      await agent.line(),
      "['page.views:1|c|#env:test,path:/', 'queue.length:0|g', 'answer.time:12.5|ms|#env:test']",
    );
  },
  python,
);

scene(
  'metrics: who counts does not listen, or is not there: none is waited for',
  async (s) => {
    const file = tempPath(s, 'dsd.socket');
    assert.deepEqual(await runExample('49-statsd.ts', [file, 5]), ['0 metrics sent, 15 dropped']);
    const agent = await receiver(s, file);
    const [line] = await runExample('49-statsd.ts', [file, 5000]);
    const [, sent, dropped] = /^(\d+) metrics sent, (\d+) dropped$/.exec(line!)!.map(Number);
    // The kernel keeps some for it: net.unix.max_dgram_qlen, and what the memory of a socket allows.
    assert.ok(sent! > 0 && dropped! > 0 && sent! + dropped! === 15_000, line);
    agent.write('\n');
    for (let i = 0; i < sent! / 3; i++) assert.match(await agent.line(), /^\['page\.views:1\|c.*\]$/);
    // Gone, with its name left behind: ECONNREFUSED.
    await agent.stop();
    assert.deepEqual(await runExample('49-statsd.ts', [file, 2]), ['0 metrics sent, 6 dropped']);
  },
  python,
);

scene(
  'service manager: ready, alive, and at the end',
  async (s) => {
    const file = path.join(tempdir(s), 'notify');
    const manager = startPython(
      s,
      `
      import sys, struct
      from socket import *
      s = socket(AF_UNIX, SOCK_DGRAM)
      s.setsockopt(SOL_SOCKET, SO_PASSCRED, 1)
      s.bind(sys.argv[1])
      print('ready')
      while True:
          data, [(level, type, cred)], flags, address = s.recvmsg(1000, CMSG_SPACE(12))
          print(struct.unpack('iii', cred)[0], data.decode().split('\\n'))
      `,
      [file],
    );
    await manager.line(/^ready$/);
    const env = { ...process.env, NOTIFY_SOCKET: file, WATCHDOG_USEC: '200000' };
    const service = startExample(s, '50-notify.ts', [0, '127.0.0.1'], { env });
    // systemd takes it from the process that it started, and knows that by the kernel's word.
    const says = async (what: string) =>
      assert.equal(await manager.line(/STATUS|STOP/, { seconds: 20 }), `${service.pid} ${what}`);
    await says("['READY=1', 'STATUS=waiting for clients']");
    const port = /(\d+) \]$/.exec(await service.line(/^Listening on/))![1]!;
    assert.equal(await service.line(), 'The service manager knows');
    for (let i = 0; i < 3; i++) assert.equal(await manager.line(/WATCHDOG/), `${service.pid} ['WATCHDOG=1']`);
    const hello = await runPeer('socat', ['-u', `TCP:127.0.0.1:${port}`, '-']);
    assert.equal(hello.stdout, 'Hello 127.0.0.1\n');
    await says("['STATUS=1 clients so far']");
    service.child.kill('SIGTERM');
    await says("['STOPPING=1']");
    await service.succeed();
    assert.equal(service.stderr, '');
  },
  { ...requirePeer('python3', 'socat'), seconds: 60 },
);

scene('service manager: none has asked', async (s) => {
  const env = { ...process.env };
  delete env.NOTIFY_SOCKET;
  const service = startExample(s, '50-notify.ts', [0, '127.0.0.1'], { env });
  await service.line(/^No service manager has asked$/, { seconds: 20 });
  service.child.kill('SIGTERM');
  await service.succeed();
  assert.equal(service.stderr, '');
});
