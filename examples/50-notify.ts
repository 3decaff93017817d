// A service of systemd (Type=notify): says when it is ready, that it is alive, and that it ends.  [PORT] [HOST]
import { notifyReady, serve, watchdogInterval } from 'berkeley-sockets/server';

const server = serve([process.argv[3] ?? '', Number(process.argv[2] ?? 9000)], async (conn, [host]) => {
  await conn.sendall(`Hello ${host}\n`);
  await notifyReady({ STATUS: `${server.accepted} clients so far` });
});

const seconds = watchdogInterval(); // WatchdogSec=, after which a silent service is killed
const watchdog = setInterval(() => notifyReady({ WATCHDOG: 1 }), ((seconds ?? 1e6) / 2) * 1000).unref();

// In place before we say that we are ready: from then on the end may come.
process.once('SIGTERM', async () => {
  clearInterval(watchdog);
  await notifyReady({ STOPPING: 1 });
  await server.close({ grace: 5 });
});

console.log('Listening on', server.address);
const heard = await notifyReady({ READY: 1, STATUS: 'waiting for clients' }); // NOTIFY_SOCKET is where
console.log(heard ? 'The service manager knows' : 'No service manager has asked');
