import { connect, createServer, type Socket } from 'node:net';
import type { Endpoint, RequestOf } from '../protocol.ts';

const PING_EVERY_MS = 200;

/** An ordinary server: one reply to each message, and its own close soon after the client's. */
export function serve(at: Endpoint, replyAfterMs: number): Promise<{ port: number }> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('data', () => socket.write('ok'));
    socket.on('end', () => setTimeout(() => socket.end('bye'), replyAfterMs));
    socket.on('error', () => socket.destroy());
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: at.address, port: at.port, backlog: 1024 }, () => {
      const address = server.address();
      resolve({ port: typeof address === 'object' && address ? address.port : at.port });
    });
  });
}

/** Client traffic as a healthy host has it: short exchanges, half-closes that end, connections kept open. */
export class Churn {
  ended = 0;

  start({ to, perSecond, halfClosePerSecond, keepOpen, total }: RequestOf<'churn'>): void {
    for (let index = 0; index < keepOpen; index++) this.#keep(to);
    let begun = 0;
    const begin = (halfClose: boolean) => {
      if (total !== undefined && begun >= total) return;
      begun++;
      this.#exchange(to, halfClose);
    };
    if (perSecond > 0) every(perSecond, () => begin(false));
    if (halfClosePerSecond > 0) every(halfClosePerSecond, () => begin(true));
  }

  #keep(to: Endpoint): void {
    const socket = this.#open(to);
    socket.setKeepAlive(true, 30_000);
    socket.on('connect', () => {
      const pings = setInterval(() => socket.write('hello'), PING_EVERY_MS);
      socket.on('close', () => clearInterval(pings));
    });
  }

  #exchange(to: Endpoint, halfClose: boolean): void {
    const socket = this.#open(to);
    socket.on('connect', () => (halfClose ? socket.end('hello') : socket.write('hello')));
    socket.on('data', () => {
      if (!halfClose) socket.end();
    });
    socket.on('end', () => socket.end());
    socket.on('close', () => {
      this.ended++;
    });
  }

  #open(to: Endpoint): Socket {
    const socket = connect({ host: to.address, port: to.port, allowHalfOpen: true });
    socket.on('error', () => socket.destroy());
    return socket;
  }
}

/** Calls `action` about `perSecond` times a second in small bursts. */
function every(perSecond: number, action: () => void): void {
  const tickMs = Math.max(20, Math.round(1000 / perSecond));
  let owed = 0;
  setInterval(() => {
    owed += (perSecond * tickMs) / 1000;
    while (owed >= 1) {
      owed -= 1;
      action();
    }
  }, tickMs);
}
