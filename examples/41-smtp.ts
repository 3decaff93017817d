// SMTP by hand (RFC 5321): hands in a message.  [HOST] [PORT] [FROM] [TO] [SUBJECT]
import { createConnection, getfqdn } from 'berkeley-sockets';
import { Dialogue } from './dialogue.ts';

const [host = 'localhost', port = 25, from = 'me@localhost', to = 'root@localhost', subject = 'By hand'] =
  process.argv.slice(2);

const s = await createConnection([host, Number(port)], { timeout: 10 });
const smtp = new Dialogue(s);
await smtp.reply(220);
await smtp.command(`EHLO ${await getfqdn()}`, 250); // answered with what the server can, a line each
await smtp.command(`MAIL FROM:<${from}>`, 250);
await smtp.command(`RCPT TO:<${to}>`, 250, 251);
await smtp.command('DATA', 354);
await smtp.sendText([
  `From: <${from}>`,
  `To: <${to}>`,
  `Subject: ${subject.replace(/[\r\n]+/g, ' ')}`,
  `Date: ${new Date().toUTCString().replace('GMT', '+0000')}`,
  '',
  'The dot below is a line of this message, not its end.',
  '.',
  'Bye',
]);
await smtp.reply(250); // from now on the message is the server's
await smtp.command('QUIT', 221);
s.close();
