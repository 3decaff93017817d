// `sock wait`: until a port answers, or does not any more.
import { AF_INET, AF_INET6, createConnection } from '../index.ts';
import { addressText, type Endpoint, endpointOf, endpointText } from './endpoint.ts';
import { say } from './output.ts';
import { Failure, type Given, UsageError } from './spec.ts';

const PAUSE = 0.25;
// A try whose packets go astray is made anew: it would repeat them later and later.
const LONGEST_TRY = 3;

/** Whether it answers, and if not, why. */
async function answers(
  endpoint: Endpoint,
  family: number | undefined,
  seconds: number,
): Promise<string | true> {
  try {
    const address = endpoint.kind === 'unix' ? endpoint.path : ([endpoint.host, endpoint.port] as const);
    const s = await createConnection(address, { timeout: seconds, family, allErrors: false });
    // On one machine a client may get the very port that it tries, and be connected to itself (RFC 9293
    // section 3.5, simultaneous open): nobody answered.
    const itself = endpoint.kind === 'inet' && addressText(s.getsockname()) === addressText(s.getpeername());
    s.close();
    return itself ? 'only this very connection answered' : true;
  } catch (error) {
    // A word of the command line that means nothing will not do so later.
    if (error instanceof TypeError || error instanceof RangeError) throw error;
    return (error as Error).message;
  }
}

export async function run({ options, arguments: words }: Given): Promise<number> {
  const endpoint = endpointOf(words, 'localhost', 'wait');
  if (options.ipv4 && options.ipv6)
    throw new UsageError('--ipv4 and --ipv6: leave both away for both', 'wait');
  const family = options.ipv4 ? AF_INET : options.ipv6 ? AF_INET6 : undefined;
  const pause = ((options.interval as number | undefined) ?? PAUSE) * 1000;
  const limit = options.timeout as number | undefined;
  const deadline = limit === undefined ? Number.POSITIVE_INFINITY : performance.now() + limit * 1000;
  const where = endpointText(endpoint);
  let told = '';
  for (;;) {
    const left = (deadline - performance.now()) / 1000;
    const answer = await answers(endpoint, family, Math.max(0.001, Math.min(LONGEST_TRY, left)));
    if ((answer === true) !== (options.gone === true)) return 0;
    const reason = answer === true ? 'it still answers' : answer;
    if (performance.now() + pause >= deadline)
      throw new Failure(
        `${where}: ${options.gone ? 'still there' : 'no answer'} after ${limit} s: ${reason}`,
      );
    if (!options.quiet && reason !== told)
      say(`sock: waiting for ${where}${options.gone ? ' to go' : ''}: ${reason}`);
    told = reason;
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}
