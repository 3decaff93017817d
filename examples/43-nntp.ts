// NNTP by hand (RFC 3977): the last articles of a group, and one more.  [HOST] [PORT] [GROUP] [SUBJECT]
import { createConnection } from 'berkeley-sockets';
import { Dialogue } from './dialogue.ts';

const [host = 'localhost', port = 119, group = 'local.test', subject] = process.argv.slice(2);

const s = await createConnection([host, Number(port)], { timeout: 10 });
const nntp = new Dialogue(s);
await nntp.reply(200, 201);
await nntp.command('MODE READER', 200, 201);
if (subject) {
  await nntp.command('POST', 340);
  await nntp.sendText([
    'From: <me@example.org>',
    `Newsgroups: ${group}`,
    `Subject: ${subject.replace(/[\r\n]+/g, ' ')}`,
    '',
    'The dot below is a line of this article, not its end.',
    '.',
    'Bye',
  ]);
  await nntp.reply(240);
}
const [, count, first, last] = (await nntp.command(`GROUP ${group}`, 211)).split(' ').map(Number);
console.log(`${count} articles`);
if (count! > 0) {
  await nntp.command(`OVER ${Math.max(first!, last! - 9)}-${last}`, 224);
  for (const line of await nntp.text()) console.log(`${line.split('\t')[0]}: ${line.split('\t')[1]}`);
  await nntp.command(`ARTICLE ${last}`, 220);
  const article = await nntp.text();
  console.log(article.slice(article.indexOf('') + 1).join('\n'));
}
await nntp.command('QUIT', 205);
s.close();
