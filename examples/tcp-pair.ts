// Both ends of one TCP connection over loopback, for the examples that show both sides at once.
import { AF_INET, SOCK_STREAM, socket } from 'berkeley-sockets';

export async function tcpPair() {
  const listener = socket(AF_INET, SOCK_STREAM);
  listener.bind(['127.0.0.1', 0]); // port 0: the system chooses a free one
  listener.listen(1);
  const client = socket(AF_INET, SOCK_STREAM);
  await client.connect(listener.getsockname());
  const [server] = await listener.accept();
  listener.close();
  return [client, server] as const;
}
