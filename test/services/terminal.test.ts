// Telnet with its options against inetutils' telnetd, and the beginning of SSH against OpenSSH.
import assert from 'node:assert/strict';
import { runExample, startExample } from '../examples/run.ts';
import { sshd, telnetd } from '../support/daemons.ts';
import { requirePeer } from '../support/peer.ts';
import { startPython } from '../support/python.ts';
import { scene } from '../support/scene.ts';

const session = `
printf 'login: '
read name
stty -echo
echo "Hello $name, at a $TERM of $(stty size)"
read word
echo "I heard $(printf %s "$word" | od -An -tx1)"
`;

scene(
  'telnet: options are agreed on, and both sides are heard',
  async (s) => {
    const port = await telnetd(s, session);
    const telnet = startExample(s, '44-telnet.ts', ['127.0.0.1', port]);
    telnet.write('me\n');
    await telnet.line(/Hello me, at a vt100 of 24 80$/i, { seconds: 20 });
    telnet.write('secret\n');
    await telnet.line(/I heard +73 65 63 72 65 74$/, { seconds: 20 });
    await telnet.line(/^Connection closed by foreign host\.$/, { seconds: 20 });
    const { stdout, stderr } = await telnet.succeed();
    assert.equal(stderr, '');
    // It is asked for the terminal, its size and its speed; it lets the server echo, and not encrypt.
    for (const agreed of ['DO 24: yes', 'DO 31: yes', 'WILL 1: yes', 'WILL 3: yes', 'DO 32: no'])
      assert.ok(stdout.includes(`[${agreed}]`), `${agreed} in\n${stdout}`);
    assert.match(stdout, /\[WILL 38: no\]/);
    assert.doesNotMatch(stdout, /secret/, 'the terminal echoes no more');
  },
  { ...requirePeer('telnetd', 'socat'), seconds: 60 },
);

scene(
  'telnet: commands in pieces, a doubled 255, and a peer that asks again and again',
  async (s) => {
    const server = startPython(
      s,
      String.raw`
      import time
      from socket import *
      s = create_server(('127.0.0.1', 0))
      print(s.getsockname()[1])
      c, _ = s.accept()
      def pieces(data):
          for i in range(len(data)):
              c.sendall(data[i:i+1])
              time.sleep(0.005)
      # WILL ECHO five times over, a text with a byte of 255, terminal type SEND, with an option in it.
      pieces(b'\xff\xfb\x01' * 5 + b'a\xff\xffb\r\0\n' + b'\xff\xfa\x18\x01\xff\xf0' + b'\xff\xf1' + b'\xff\xfd\x05' + b'\xff\xfe\x05' * 3 + b'end\n')
      c.shutdown(SHUT_WR)
      said = b''
      while data := c.recv(1000): said += data
      print(said)
      `,
    );
    const port = await server.line();
    const { stdout } = await startExample(s, '44-telnet.ts', ['127.0.0.1', port]).succeed(30);
    // Each byte of the text is here by itself; that of 255 is no UTF-8, and is printed as it came.
    assert.match(
      stdout,
      /\[WILL 1: yes\]\na\ufffdb\r\n\[DO 5: no\]\nend\nConnection closed by foreign host\.\n$/,
    );
    assert.equal(
      await server.line(/^b/),
      String.raw`b'\xff\xfd\x01\xff\xfa\x18\x00VT100\xff\xf0\xff\xfc\x05'`,
    );
  },
  { ...requirePeer('python3'), seconds: 60 },
);

scene(
  'SSH: the banner, and what the server can do',
  async (s) => {
    const port = await sshd(s);
    const lines = await runExample('47-ssh.ts', ['127.0.0.1', port]);
    assert.match(lines[0]!, /^SSH-2\.0-OpenSSH_/);
    assert.match(lines[1]!, /^key exchange: .*curve25519-sha256/);
    assert.equal(lines[2], 'host key: ssh-ed25519');
    assert.match(lines[3]!, /^cipher: .*aes256-gcm@openssh\.com/);
    assert.equal(lines[4], lines[3]!.replace('cipher', 'cipher back'));
    assert.match(lines[5]!, /^checksum: .*hmac-sha2-256/);
    assert.equal(lines.length, 7);
  },
  { ...requirePeer('sshd'), seconds: 60 },
);

scene(
  'SSH: lines in front of the banner; one that is too long; none',
  async (s) => {
    const run = async (said: string) => {
      const server = startPython(
        s,
        `
        import sys
        from socket import *
        s = create_server(('127.0.0.1', 0))
        print(s.getsockname()[1])
        c, _ = s.accept()
        c.sendall(bytes.fromhex(sys.argv[1]))
        while c.recv(1000): pass
        `,
        [Buffer.from(said, 'latin1').toString('hex')],
      );
      return startExample(s, '47-ssh.ts', ['127.0.0.1', await server.line()]).exit(30);
    };
    const [early, long, lying, chatty] = await Promise.all([
      run('Hello\nSSH-2.0-x\n\0\0\0\x02\0\x01'),
      run('x'.repeat(1000)),
      run('SSH-2.0-x\n\xff\xff\xff\xff'),
      run('y\n'.repeat(1000)),
    ]);
    assert.equal(early.stdout, 'SSH-2.0-x\n');
    assert.match(early.stderr, /The server did not say what it can do/);
    assert.match(long.stderr, /LimitError/);
    assert.match(lying.stderr, /LimitError/);
    assert.match(chatty.stderr, /This is no SSH/);
  },
  { ...requirePeer('python3'), seconds: 60 },
);
