// C programs: as the other end of a test, and as the reference for how structs lie in memory, where
// each case is a few statements that fill a variable, and what the test gets are its bytes. Knows
// nothing of the library under test.
import path from 'node:path';
import { runPeer } from './peer.ts';
import { type Ending, tempdir } from './tempdir.ts';

export interface CStruct {
  /** The type of the variable `s`: `'struct linger'`; an array is `'gid_t[3]'`. */
  type: string;
  /** Statements that fill `s`, which is zero at first. */
  fill: string;
}

/** Compiles a program; the path of what it makes, which is gone after the test. */
export async function compile(t: Ending, program: string): Promise<string> {
  const file = path.join(tempdir(t), 'program');
  await runPeer('cc', ['-x', 'c', '-Wall', '-Werror', '-o', file, '-'], { input: program, seconds: 60 });
  return file;
}

/** The bytes of each struct, as the C compiler of this machine makes them; `headers` stand on top. */
export async function structBytes(
  t: Ending,
  headers: string,
  structs: readonly CStruct[],
): Promise<Buffer[]> {
  const cases = structs.map(({ type, fill }) => {
    const [, base, dimension = ''] = /^([^[]*)(\[.*)?$/s.exec(type)!;
    return `{ ${base} s${dimension}; memset(&s, 0, sizeof s); ${fill} show(&s, sizeof s); }`;
  });
  const program = `
    ${headers}
    #include <stdio.h>
    #include <string.h>
    static void show(const void *p, size_t n) {
      for (size_t i = 0; i < n; i++) printf("%02x", ((const unsigned char *)p)[i]);
      printf("\\n");
    }
    int main(void) {
      ${cases.join('\n')}
      return 0;
    }`;
  const { stdout } = await runPeer(await compile(t, program));
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => Buffer.from(line, 'hex'));
}
