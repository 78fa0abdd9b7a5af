// waiter.cjs HOST PORT: as waiter.c, in Node, which has no getsockopt of its own.
const { connect } = require('node:net');
const { createInterface } = require('node:readline');

const [host, port] = process.argv.slice(2);
const say = (...words) => process.stdout.write(`${words.join(' ')}\n`);
const connection = connect({ host, port: Number(port), allowHalfOpen: true });
connection.on('connect', () => say('connected', connection.localPort, connection._handle.fd));
connection.on('error', ({ code }) => say('ended', code));
connection.on('end', () => say('ended EOF'));
connection.resume();
createInterface({ input: process.stdin })
  .on('line', (line) => {
    if (line === 'send') connection.write('x', () => say('sent 1'));
  })
  .on('close', () => process.exit());
