// A server inside TLS: gives back what it receives.  KEY CERTIFICATE [PORT] [HOST]
import { readFileSync } from 'node:fs';
import { wrapTls } from 'berkeley-sockets';
import { serve } from 'berkeley-sockets/server';

const [key, cert, port = 8443, host = ''] = process.argv.slice(2);
if (key === undefined || cert === undefined) {
  console.error(
    'A key and a certificate to try it with: openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem ' +
      '-subj /CN=localhost -addext subjectAltName=DNS:localhost',
  );
  process.exit(2);
}

// One object for all connections: keys are read once, sessions are resumed.
const options = { isServer: true, key: readFileSync(key), cert: readFileSync(cert) } as const;

const server = serve(
  [host, Number(port)],
  async (conn, addr) => {
    conn.settimeout(30); // for the handshake, and for each call behind it
    await using secure = await wrapTls(conn, options);
    console.log(`${addr[0]} speaks ${secure.getProtocol()}`);
    for await (const chunk of secure) await secure.sendall(chunk);
  },
  { onerror: (error) => console.log(`No TLS: ${(error as { code?: string }).code}`) },
);
console.log('Listening on', server.address);
