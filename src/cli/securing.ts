// TLS for `sock connect`: what is checked, and what is told of the certificate.
import { readFileSync } from 'node:fs';
import { type Socket, type TlsSocket, wrapTls } from '../index.ts';
import type { Endpoint } from './endpoint.ts';
import { say, visible } from './output.ts';
import { Failure, type Given } from './spec.ts';

// Of Node's X509 errors: what helps is to trust the certificate, not to try again.
const UNTRUSTED = /CERT|SIGNED|ISSUER|ALTNAME/;

const nameText = (name: object | undefined): string =>
  visible(
    Object.entries(name ?? {})
      .map(([key, value]) => `${key}=${Array.isArray(value) ? value.join('+') : value}`)
      .join(', '),
  );

function tellOf(secured: TlsSocket): void {
  const certificate = secured.getPeerCertificate();
  const checked = secured.authorized
    ? 'checked'
    : `not trusted: ${secured.authorizationError ?? 'unchecked'}`;
  say(`${secured.getProtocol()}, ${secured.getCipher().standardName}; certificate ${checked}`);
  if (certificate?.subject === undefined) return;
  say(`  subject   ${nameText(certificate.subject)}`);
  if (certificate.subjectaltname !== undefined) say(`  names     ${visible(certificate.subjectaltname)}`);
  say(`  issuer    ${nameText(certificate.issuer)}`);
  say(`  valid     ${visible(certificate.valid_from)} to ${visible(certificate.valid_to)}`);
  say(`  SHA-256   ${certificate.fingerprint256}`);
  if (secured.alpnProtocol !== undefined) say(`  protocol  ${visible(secured.alpnProtocol)}`);
}

/** The connection with TLS on it. */
export async function secure(connection: Socket, endpoint: Endpoint, { options }: Given): Promise<TlsSocket> {
  const servername =
    (options.servername as string | undefined) ?? (endpoint.kind === 'inet' ? endpoint.host : undefined);
  if (servername === undefined && !options.insecure)
    throw new Failure('whose certificate is it to be? Say --servername NAME, or --insecure');
  const timeout = options.timeout as number | undefined;
  if (timeout !== undefined) connection.settimeout(timeout);
  try {
    const secured = await wrapTls(connection, {
      servername: servername ?? 'localhost',
      rejectUnauthorized: !options.insecure,
      ...(options.ca !== undefined && { ca: readFileSync(String(options.ca)) }),
      ...(options.alpn !== undefined && { ALPNProtocols: String(options.alpn).split(',') }),
    });
    secured.settimeout(null);
    tellOf(secured);
    return secured;
  } catch (error) {
    connection.close();
    const { code = '', message } = error as NodeJS.ErrnoException;
    if (!UNTRUSTED.test(code)) throw error;
    throw new Failure(`${message.split('\n')[0]} (${code}; --ca FILE trusts it, --insecure does not check)`);
  }
}
