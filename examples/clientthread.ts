// What a thread of 31-threaded-server.ts runs: the notes' clientthread, line by line.
import type { Socket } from 'berkeley-sockets/sync';

export default function clientthread(conn: Socket) {
  // send message to connected client
  conn.sendall('Welcome to the server. Type something and hit enter\n');
  // infinite loop so that function does not terminate and thread does not end
  while (true) {
    // receiving from client
    const data = conn.recv(1024);
    if (data.length === 0) break;
    conn.sendall(Buffer.concat([Buffer.from('OK... '), data]));
  }
  // came out of loop
  conn.close();
}
