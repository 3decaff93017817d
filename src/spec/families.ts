// The families whose address tuples the types know by name, and the socket types that decide
// what iterating a socket gives. Types only: the numbers are the platform's and live in
// constants.gen.ts.

declare const family: unique symbol;

/** A family's number that the compiler can tell from any other number. */
export type FamilyNumber<Name extends string> = number & { readonly [family]: Name };

export type AF_INET = FamilyNumber<'AF_INET'>;
export type AF_INET6 = FamilyNumber<'AF_INET6'>;
export type AF_UNIX = FamilyNumber<'AF_UNIX'>;
export type AF_NETLINK = FamilyNumber<'AF_NETLINK'>;
export type AF_PACKET = FamilyNumber<'AF_PACKET'>;
export type AF_VSOCK = FamilyNumber<'AF_VSOCK'>;
export type AF_CAN = FamilyNumber<'AF_CAN'>;
export type AF_ALG = FamilyNumber<'AF_ALG'>;
export type AF_TIPC = FamilyNumber<'AF_TIPC'>;
export type AF_QIPCRTR = FamilyNumber<'AF_QIPCRTR'>;
export type AF_BLUETOOTH = FamilyNumber<'AF_BLUETOOTH'>;

declare const type: unique symbol;

/** A socket type's number that the compiler can tell from any other number. */
export type TypeNumber<Name extends string> = number & { readonly [type]: Name };

export type SOCK_STREAM = TypeNumber<'SOCK_STREAM'>;
export type SOCK_DGRAM = TypeNumber<'SOCK_DGRAM'>;
export type SOCK_SEQPACKET = TypeNumber<'SOCK_SEQPACKET'>;
