// SMTP by hand against OpenSMTPD, and POP3 against Dovecot, which gives out what was handed in.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { assertLines, runExample, startExample } from '../examples/run.ts';
import { dovecot, give, home, noSmtpd, smtpd } from '../support/daemons.ts';
import { eventually } from '../support/deadline.ts';
import { requirePeer } from '../support/peer.ts';
import { scene } from '../support/scene.ts';

const maildir = { 'mail/new/': '', 'mail/cur/': '', 'mail/tmp/': '' };

const body = ['The dot below is a line of this message, not its end.', '.', 'Bye'];

scene(
  'SMTP hands a message in, POP3 gives it out',
  async (s) => {
    const { port, maildir } = await smtpd(s);
    const mail = ['127.0.0.1', port, 'me@example.org', 'you@example.org', 'Grüße'];
    assertLines(await runExample('41-smtp.ts', mail), [
      '< 220 mail.example.org ESMTP OpenSMTPD',
      /^> EHLO /,
      /^< 250-mail\.example\.org Hello .*, pleased to meet you$/,
      '< 250-8BITMIME',
      '< 250-ENHANCEDSTATUSCODES',
      /^< 250-SIZE \d+$/,
      '< 250-DSN',
      '< 250 HELP',
      '> MAIL FROM:<me@example.org>',
      '< 250 2.0.0 Ok',
      '> RCPT TO:<you@example.org>',
      /^< 250 2\.1\.5 /,
      '> DATA',
      /^< 354 /,
      '> From: <me@example.org>',
      '> To: <you@example.org>',
      '> Subject: Grüße',
      /^> Date: .* \+0000$/,
      '> ',
      ...body.map((line) => `> ${line}`),
      /^< 250 2\.0\.0 [0-9a-f]+ Message accepted for delivery$/,
      '> QUIT',
      '< 221 2.0.0 Bye',
    ]);

    const delivered = await eventually(
      () => readdirSync(path.join(maildir, 'new'))[0] ?? false,
      'the delivery',
    );
    assert.ok(delivered);
    const message = readFileSync(path.join(maildir, 'new', delivered), 'utf8');
    assert.match(message, /^Subject: Grüße$/m);
    assert.ok(message.endsWith(`\n\n${body.join('\n')}\n`), message);

    give(maildir);
    const lines = await runExample('42-pop3.ts', [
      '127.0.0.1',
      (await dovecot(s, maildir, 'my-secret')).port,
      'you',
      'my-secret',
    ]);
    assertLines(lines.slice(0, 7), [
      '< +OK Dovecot (Debian) ready.',
      '> USER you',
      '< +OK',
      '> PASS ****',
      '< +OK Logged in.',
      '> STAT',
      /^< \+OK 1 \d+$/,
    ]);
    assert.ok(lines.includes('< Subject: Grüße'));
    // As it goes over the line: the dot of the text has one more in front.
    assertLines(lines.slice(-8), [
      '< ',
      `< ${body[0]}`,
      '< ..',
      '< Bye',
      '< .',
      `The last one has ${message.trimEnd().split('\n').length} lines`,
      '> QUIT',
      '< +OK Logging out.',
    ]);
  },
  { skip: requirePeer('smtpd', 'dovecot', 'openssl').skip ?? noSmtpd(), seconds: 60 },
);

scene(
  'SMTP: what the server refuses, and what would be another command',
  async (s) => {
    const { port, maildir } = await smtpd(s);
    const refused = startExample(s, '41-smtp.ts', ['127.0.0.1', port, 'no address@', 'you@example.org']);
    assert.equal((await refused.exit(30)).code, 1);
    assert.match(refused.stderr, /The server says: 5\d\d /);
    const to = 'you@example.org>\r\nRCPT TO:<third@example.org';
    const injected = startExample(s, '41-smtp.ts', ['127.0.0.1', port, 'me@example.org', to]);
    assert.equal((await injected.exit(30)).code, 1);
    assert.match(injected.stderr, /A command is one line/);
    assert.deepEqual(readdirSync(maildir), []);
  },
  { skip: requirePeer('smtpd').skip ?? noSmtpd(), seconds: 60 },
);

scene(
  'POP3: an empty mailbox, and a password that is wrong',
  async (s) => {
    const folder = home(s, maildir);
    const { port } = await dovecot(s, path.join(folder, 'mail'), 'right');
    const lines = await runExample('42-pop3.ts', ['127.0.0.1', port, 'you', 'right']);
    assertLines(lines.slice(-5), [
      '> STAT',
      '< +OK 0 0',
      '0 messages of 0 bytes',
      '> QUIT',
      '< +OK Logging out.',
    ]);
    const wrong = await startExample(s, '42-pop3.ts', ['127.0.0.1', port, 'you', 'wrong']).exit(30);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /The server says: -ERR \[AUTH\] Authentication failed\./);
    assert.doesNotMatch(wrong.stdout, /wrong/, 'a password is not printed');
  },
  { ...requirePeer('dovecot', 'openssl'), seconds: 60 },
);

scene(
  'POP3: inside TLS, with the certificate checked before the password is told',
  async (s) => {
    const folder = home(s, { ...maildir, 'mail/new/1': 'Subject: Hidden\n\nText\n' });
    const { port, certificate } = await dovecot(s, path.join(folder, 'mail'), 'right');
    const lines = await runExample('42-pop3.ts', ['localhost', port, 'you', 'right', certificate]);
    assertLines(lines.slice(0, 6), [
      '< +OK Dovecot (Debian) ready.',
      '> STLS',
      '< +OK Begin TLS negotiation now.',
      '> USER you',
      '< +OK',
      '> PASS ****',
    ]);
    assert.ok(lines.includes('< Subject: Hidden'));
    assert.equal(lines.at(-1), '< +OK Logging out.');

    // The certificate is of localhost.
    const other = startExample(s, '42-pop3.ts', ['127.0.0.1', port, 'you', 'right', certificate]);
    assert.equal((await other.exit(30)).code, 1);
    assert.match(other.stderr, /ERR_TLS_CERT_ALTNAME_INVALID/);
    assert.doesNotMatch(other.stdout, /USER/, 'nothing is said to a stranger');
  },
  { ...requirePeer('dovecot', 'openssl'), seconds: 60 },
);
