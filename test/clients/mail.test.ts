// nodemailer over our sockets, to OpenSMTPD.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { createConnection } from 'berkeley-sockets';
import { createTransport } from 'nodemailer';
import { Chance } from '../support/chance.ts';
import { noSmtpd, smtpd } from '../support/daemons.ts';
import { eventually } from '../support/deadline.ts';
import { requirePeer, runPeer } from '../support/peer.ts';
import { client } from './row.ts';

const skip = requirePeer('smtpd').skip ?? noSmtpd();

client(
  {
    client: 'nodemailer',
    hook: '`getSocket` option',
    exercised: 'messages over a pool, a 1 MB attachment, a refused recipient',
  },
  async (stage) => {
    const { port, maildir } = await smtpd(stage);
    const transport = createTransport({
      host: 'localhost',
      pool: true,
      maxConnections: 2,
      // Not in its types.
      getSocket: (_options: unknown, done: (error: Error | null, found?: object) => void) => {
        createConnection(['127.0.0.1', port]).then((s) => done(null, { connection: s.toDuplex() }), done);
      },
    } as object);
    stage.after(() => transport.close());
    const attachment = new Chance('attachment').bytes(1_000_000);
    const message = {
      from: 'me@example.org',
      to: 'you@example.org',
      subject: 'Grüße',
      text: 'A line.\n.\nAnother.',
    };
    const sent = await Promise.all(
      [1, 2, 3].map((n) =>
        transport.sendMail({ ...message, attachments: [{ filename: `${n}`, content: attachment }] }),
      ),
    );
    assert.deepEqual(
      sent.map((each) => (each as { accepted?: string[] }).accepted),
      [['you@example.org'], ['you@example.org'], ['you@example.org']],
    );
    const box = path.join(maildir, 'new');
    await eventually(() => readdirSync(box).length === 3, 'the delivery', 20);
    const text = readFileSync(path.join(box, readdirSync(box)[0]!), 'utf8');
    assert.ok(text.replace(/\s/g, '').includes(attachment.toString('base64')));
    await assert.rejects(
      transport.sendMail({ ...message, to: { name: '', address: 'no address@' } }),
      /recipient|refused|No recipients/i,
    );
    const version = /OpenSMTPD ([\w.]+)/.exec(
      (await runPeer('sh', ['-c', 'smtpd -h 2>&1 || true'])).stdout,
    )?.[1];
    return `OpenSMTPD ${version ?? ''}`.trim();
  },
  { skip, seconds: 60 },
);
