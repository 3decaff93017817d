// Every constant of the public API, declared once: native/constants.gen.inc and
// src/constants.gen.ts are written from here by scripts/generate.ts. Not loaded at run time.
import { bluetooth } from './constants/bluetooth.ts';
import { can } from './constants/can.ts';
import { elsewhere } from './constants/elsewhere.ts';
import { families } from './constants/families.ts';
import { internet } from './constants/internet.ts';
import { kernel } from './constants/kernel.ts';
import { link } from './constants/link.ts';
import { names } from './constants/names.ts';
import type { Constant, ConstantGroup } from './constants/row.ts';
import { sockets } from './constants/sockets.ts';
import { transport } from './constants/transport.ts';

export type { Constant, ConstantGroup };

export const constantGroups: readonly ConstantGroup[] = [
  ...families,
  ...sockets,
  ...internet,
  ...transport,
  ...names,
  ...link,
  ...kernel,
  ...can,
  ...bluetooth,
  ...elsewhere,
];

export const constants: readonly Constant[] = constantGroups.flatMap((group) => group.constants);

/** `number` in the public API: the build has either found it or had a number to fall back on. */
export const isAlwaysDefined = (constant: Constant): boolean => constant.source !== 'some';
