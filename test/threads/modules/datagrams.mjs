import { threadId } from 'node:worker_threads';

export default async (data, address, { socket }) =>
  void (await socket.sendto(`${threadId} ${data}`, address));
