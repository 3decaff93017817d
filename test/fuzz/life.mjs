// The worker's first file: in Node 20 `--import tsx` does not reach a worker thread.
import { register } from 'tsx/esm/api';

register();
await import('./native.ts');
