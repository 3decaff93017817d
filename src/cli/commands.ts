// Every command, declared once: parsing, help, man pages and completion are made of these rows.
import type { CommandSpec } from './spec.ts';
import { resolve } from './specs/resolve.ts';
import { services } from './specs/services.ts';

export const commands: readonly CommandSpec[] = [resolve, services];
