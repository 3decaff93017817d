// The module of the threads of `sock serve --threads`.
import { handlerOf } from './handlers.ts';

const handler = await handlerOf(import.meta.url);

export { handler as default };
