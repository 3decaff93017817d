import type { CommandSpec } from '../spec.ts';

export const services: CommandSpec = {
  name: 'services',
  summary: 'which port a service has, which service a port',
  description: [
    'Looks into the table of services (/etc/services, and a built-in one of the well-known ports where there is none). Without an argument: the well-known ones.',
  ],
  arguments: [{ name: 'NAME|PORT', optional: true, what: 'a service such as http, or a port' }],
  options: [{ name: 'json', what: 'JSON instead of a table' }],
  examples: [
    ['sock services https', '443'],
    ['sock services 25', 'smtp'],
  ],
  load: () => import('../services.ts'),
};
