// NNTP by hand against INN. Not among the tests that run with all others: INN's package wants a mail
// server and a name in the domain system, so that scripts/services.mjs fetches and unpacks it, and tells
// in INN where.
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import path from 'node:path';
import { assertLines, runExample, startExample } from '../examples/run.ts';
import { answers, as, asRoot, home, startDaemon, type User } from '../support/daemons.ts';
import { runPeer, unusedPort } from '../support/peer.ts';
import { type Scene, scene } from '../support/scene.ts';

const inn = process.env.INN;
if (inn === undefined) throw new Error('INN is the folder that INN is in: npm run services');

// INN refuses to be anybody else. The numbers are the same on every Debian: base-passwd.
const news: User = { name: 'news', group: 'news', uid: 9, gid: 9 };
const skip = asRoot ? false : 'INN runs as the user news: needs root';

/** INN with the group local.test: its port, and the folder of its articles. */
async function innd(s: Scene): Promise<{ port: number; articles: string }> {
  const port = await unusedPort();
  const folder = home(
    s,
    {
      'run/': '',
      'tmp/': '',
      'log/': '',
      'spool/articles/': '',
      'spool/overview/': '',
      'spool/incoming/': '',
      'spool/outgoing/': '',
      'db/active':
        'control 0000000000 0000000001 n\ncontrol.cancel 0000000000 0000000001 n\njunk 0000000000 0000000001 n\nlocal.test 0000000000 0000000001 y\n',
      'db/newsgroups': 'local.test\tFor tests\n',
      'db/active.times': '',
      'db/history': '',
      'etc/storage.conf': 'method tradspool {\n  newsgroups: *\n  class: 0\n}\n',
      'etc/readers.conf':
        'auth "all" { hosts: "*" default: "<all>" }\naccess "all" { users: "*" newsgroups: "*" access: RPA }\n',
      // It does not start without somebody to feed.
      'etc/newsfeeds': 'ME:!*::\nnobody:!*:Tf,Wn:nobody\n',
      'etc/incoming.conf': '',
      'etc/expire.ctl': '/remember/:10\n*:A:1:10:never\n',
      'etc/control.ctl': '',
      'etc/moderators': '',
      'etc/passwd.nntp': '',
      'etc/subscriptions': '',
      'etc/distrib.pats': '',
      'etc/localgroups': '',
      'etc/inn.conf': `
domain: example.org
pathhost: news.example.org
mta: "/bin/true %s"
organization: "A test"
ovmethod: tradindexed
enableoverview: true
hismethod: hisv6
pathnews: ${inn}/usr/lib/news
pathbin: ${inn}/usr/lib/news/bin
pathfilter: @HOME@/etc
pathetc: @HOME@/etc
pathdb: @HOME@/db
pathrun: @HOME@/run
pathlog: @HOME@/log
pathhttp: @HOME@/log
pathtmp: @HOME@/tmp
pathspool: @HOME@/spool
patharticles: @HOME@/spool/articles
pathoverview: @HOME@/spool/overview
pathincoming: @HOME@/spool/incoming
pathoutgoing: @HOME@/spool/outgoing
patharchive: @HOME@/spool/articles
bindaddress: 127.0.0.1
bindaddress6: "::1"
port: ${port}
status: 0
timer: 0
`,
    },
    news,
  );
  const libraries = ['usr/lib/news', 'usr/lib/x86_64-linux-gnu', 'usr/lib/aarch64-linux-gnu'];
  const env = {
    ...process.env,
    INNCONF: `${folder}/etc/inn.conf`,
    LD_LIBRARY_PATH: libraries.map((each) => path.join(inn!, each)).join(':'),
  };
  const program = (name: string, ...args: string[]) =>
    as([path.join(inn!, 'usr/lib/news/bin', name), ...args], news);
  const [command, ...args] = program('makedbz', '-s', '1000', '-i', '-o', '-f', `${folder}/db/history`);
  await runPeer(command!, args, { env });
  await answers(startDaemon(s, program('innd', '-d', '-P', String(port)), env), port);
  return { port, articles: `${folder}/spool/articles` };
}

scene(
  'NNTP: an empty group; articles posted, listed and read',
  async (s) => {
    const { port, articles } = await innd(s);
    const empty = await runExample('43-nntp.ts', ['127.0.0.1', port]);
    assertLines(empty, [
      /^< 200 news\.example\.org InterNetNews NNRP server INN [\d.]+ ready \(posting ok\)$/,
      '> MODE READER',
      /^< 200 /,
      '> GROUP local.test',
      '< 211 0 1 0 local.test',
      '0 articles',
      '> QUIT',
      '< 205 Bye!',
    ]);
    for (const subject of ['First', 'Grüße'])
      await runExample('43-nntp.ts', ['127.0.0.1', port, 'local.test', subject]);
    const lines = await runExample('43-nntp.ts', ['127.0.0.1', port]);
    for (const line of ['< 211 2 1 2 local.test', '2 articles', '1: First', '2: Grüße'])
      assert.ok(lines.includes(line), `${line} in\n${lines.join('\n')}`);
    assertLines(lines.slice(-6), [
      '< .',
      'The dot below is a line of this article, not its end.',
      '.',
      'Bye',
      '> QUIT',
      '< 205 Bye!',
    ]);
    assert.deepEqual(readdirSync(path.join(articles, 'local/test')).sort(), ['1', '2']);

    const missing = await startExample(s, '43-nntp.ts', ['127.0.0.1', port, 'no.such.group']).exit(30);
    assert.equal(missing.code, 1);
    assert.match(missing.stderr, /The server says: 411 No such group/);
  },
  { skip, seconds: 90 },
);
