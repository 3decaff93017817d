// Telnet with its options (RFC 854): commands hide among the text, and each side may ask for what the
// other can do. What you type goes to the server.  [HOST] [PORT]
import { createConnection } from 'berkeley-sockets';

const [host = 'localhost', port = 23] = process.argv.slice(2);

const [SE, SB, WILL, WONT, DO, DONT, IAC] = [240, 250, 251, 252, 253, 254, 255] as const;
const [ECHO, GO_AHEAD, TERMINAL, WINDOW] = [1, 3, 24, 31] as const;
const ours: readonly number[] = [TERMINAL, WINDOW]; // what we do if we are asked to
const theirs: readonly number[] = [ECHO, GO_AHEAD]; // what the server may do
const on = new Set<string>();

const s = await createConnection([host, Number(port)]);
const reader = s.reader();
const byte = async () => (await reader.readexactly(1))[0]!;

const say = (...bytes: number[]) => s.sendall(Uint8Array.from([IAC, ...bytes]));

/** Answers a request; a state that holds already is not confirmed, or both would answer for ever. */
async function negotiate(command: number, option: number): Promise<void> {
  const asksUs = command === DO || command === DONT;
  const [yes, no] = asksUs ? [WILL, WONT] : [DO, DONT];
  const name = `${asksUs ? 'we' : 'server'} ${option}`;
  const wanted = command === DO || command === WILL;
  const agreed = wanted && (asksUs ? ours : theirs).includes(option);
  if (wanted === on.has(name)) return;
  if (agreed) on.add(name);
  else on.delete(name);
  console.log(`[${['WILL', 'WONT', 'DO', 'DONT'][command - WILL]} ${option}: ${agreed ? 'yes' : 'no'}]`);
  await say(agreed ? yes : no, option);
  if (agreed && option === WINDOW) await say(SB, WINDOW, 0, 80, 0, 24, IAC, SE);
}

/** What stands between SB and SE, and our answer: "terminal type, SEND" wants "IS" and a name. */
async function subnegotiation(): Promise<void> {
  const bytes: number[] = [];
  for (;;) {
    const next = await byte();
    if (next === IAC && (await byte()) === SE) break;
    bytes.push(next);
    if (bytes.length > 1000) throw new Error('A subnegotiation without an end');
  }
  if (bytes[0] === TERMINAL && bytes[1] === 1) await say(SB, TERMINAL, 0, ...Buffer.from('VT100'), IAC, SE);
}

async function typing(): Promise<void> {
  for await (const typed of process.stdin.setEncoding('latin1'))
    await s.sendall(Buffer.from(typed.replaceAll('\xff', '\xff\xff').replaceAll('\n', '\r\n'), 'latin1'));
}
typing().catch((error) => console.error(String(error)));

let text: number[] = [];
while ((await reader.peek(1)).length > 0) {
  const next = await byte();
  const command = next === IAC ? await byte() : undefined;
  if (command === undefined ? next !== 0 : command === IAC) text.push(next);
  else if (command === SB) await subnegotiation();
  else if (command !== undefined && command >= WILL) await negotiate(command, await byte());
  if (reader.buffered === 0) {
    process.stdout.write(Uint8Array.from(text));
    text = [];
  }
}
console.log('Connection closed by foreign host.');
process.exit(); // with standard input still open
