// The host that a connection was made to, by the name its caller gave: what a certificate is checked
// against. Beside the sockets, not in them: few ever need it.

const hosts = new WeakMap<object, string>();

/** Notes the host that this connection goes to. */
export function notePeerHost(socket: object, host: string): void {
  hosts.set(socket, host);
}

/** The host that this connection goes to, if it was made by name. */
export function peerHost(socket: object): string | undefined {
  return hosts.get(socket);
}
