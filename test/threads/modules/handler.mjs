// A handler of the tests: a line in, a line out, with the version of the handler and the thread's number.
import { threadId } from 'node:worker_threads';

const version = new URL(import.meta.url).searchParams.get('version') ?? '1';
const later = (what) => setTimeout(what, 5);

export default async function (conn, _address, { signal }) {
  const reader = conn.reader();
  for await (const line of reader.lines()) {
    if (line === 'crash') later(() => Promise.reject(new Error('crash on purpose')));
    if (line === 'exit') later(() => process.exit(7));
    if (line === 'throw') throw new Error('thrown on purpose');
    if (line === 'spin') for (;;);
    if (line === 'wait') {
      await conn.sendall('waiting\n');
      await new Promise((resolve) => signal.addEventListener('abort', resolve));
      await conn.sendall('aborted\n');
      return;
    }
    await conn.sendall(`${version} ${threadId} ${line}\n`);
  }
}
