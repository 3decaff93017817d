// The reader of a blocking socket: the same class, whose calls give plain values.
import { Reader as OfEither } from '../reader.ts';

/** Reads messages out of a stream socket. Made by a socket's `reader()`. */
export type Reader = OfEither<'blocking'>;
export const Reader: typeof OfEither = OfEither;
