import { BIND_SETS, STATES_IN_ORDER } from '@lastack/core';
import { z } from 'zod';
import { count, Forecast, head, ms, Owner, Remedy, text } from './schema_parts.ts';

// The documents of `lastack port`.

const portNumber = () => z.int().min(1).max(65_535);

const BindResult = z
  .union([z.literal('ok'), z.string().regex(/^E[A-Z0-9]+$/)])
  .meta({ id: 'BindResult', description: '`ok`, or the name of the errno that bind(2) gave.' });

const bindResults = {
  plain: BindResult.describe('Without options.'),
  reuseaddr: BindResult.describe('With SO_REUSEADDR.'),
  reuseport: BindResult.describe('With SO_REUSEPORT, as the user who asks.'),
  both: BindResult.describe('With both.'),
};

const PortHolder = z
  .strictObject({
    netns: text(),
    here: z.boolean().describe('In the network namespace that asked; only such refuse a bind there.'),
    state: z.enum(STATES_IN_ORDER).describe('BOUND_INACTIVE: bound, but not listening.'),
    kind: z
      .enum(['full', 'orphan', 'unaccepted', 'minisocket', 'request'])
      .describe('As in lastack.sockets/1; a request has no place of its own in the table of ports.'),
    family: z.enum(['inet', 'inet6']),
    local: z.strictObject({ address: text(), port: portNumber() }),
    count: z.int().positive().describe('How many sockets are alike.'),
    uid: count(),
    owners: z.array(Owner).describe('One entry per process, with one descriptor of it.'),
    forecast: Forecast.describe('Of the group, first to last.'),
    lastGoneInMs: ms().optional().describe('When the last of them is gone at the latest.'),
    reuseaddr: z.boolean().optional().describe('Options of the sockets; absent where they could not be read.'),
    reuseport: z.boolean().optional(),
    v6only: z.boolean().optional(),
    interfaceIndex: z.int().positive().optional(),
    examples: z
      .array(
        z.strictObject({
          cookie: z.string().regex(/^[0-9a-f]+$/),
          inode: count(),
          remote: z.strictObject({ address: text(), port: z.int().min(0).max(65_535) }),
        }),
      )
      .min(1)
      .max(3),
  })
  .meta({ id: 'PortHolder', description: 'Sockets that are alike and have the port.' });

export const PortDocument = z.strictObject({
  schema: z.literal('lastack.port/1'),
  ...head,
  port: portNumber(),
  holders: z.array(PortHolder),
  bind: z
    .strictObject({
      ...bindResults,
      otherAddress: BindResult.optional().describe('A plain bind at a local address that no holder is bound to.'),
    })
    .describe(
      'What the kernel answered to throw-away sockets at the address of --address; without it at 0.0.0.0 and at dual-stack `::` together, `ok` only if both are.',
    ),
  binds: z.array(
    z.strictObject({
      address: text(),
      v6only: z.boolean().optional().describe('IPV6_V6ONLY, of the trials at `::`.'),
      results: z.strictObject(bindResults),
      because: z.record(z.enum(BIND_SETS), text()),
    }),
  ),
  until: Forecast.optional().describe('When a plain bind would succeed; absent when it does now.'),
  freeInMs: ms().optional().describe('The latest time of `until`; absent where the forecast has none.'),
  ephemeral: z
    .strictObject({
      inRange: z.boolean().describe('Outgoing connections get ports from this range by chance.'),
      from: count(),
      to: count(),
      reserved: z.boolean().optional().describe('In net.ipv4.ip_local_reserved_ports.'),
    })
    .describe('net.ipv4.ip_local_port_range'),
  privileged: z
    .strictObject({ needsCapability: z.boolean(), below: count() })
    .describe('net.ipv4.ip_unprivileged_port_start'),
  remedies: z.array(Remedy),
});

const Span = z.strictObject({ from: count(), to: count() });

export const PressureDocument = z.strictObject({
  schema: z.literal('lastack.pressure/1'),
  ...head,
  intervalMs: ms().describe('Between the two reads; `at` is the second.'),
  namespaces: z.array(
    z.strictObject({
      netns: text(),
      range: Span.describe('net.ipv4.ip_local_port_range'),
      reserved: z.array(Span).optional().describe('net.ipv4.ip_local_reserved_ports'),
      ports: count().describe('The range without those reserved: what each destination has.'),
      used: count().describe('Outgoing connections of the namespace with a port of the range.'),
      destinations: z
        .array(
          z.strictObject({
            local: z.strictObject({ address: text() }),
            remote: z.strictObject({ address: text(), port: z.int().min(0).max(65_535) }),
            used: count(),
            timeWait: count().describe('Of those used.'),
            share: z.number().nonnegative().describe('Used of `ports`.'),
            takenPerSecond: z.number().nonnegative(),
            freedPerSecond: z.number().nonnegative(),
            reusable: z.boolean().describe('connect may take over its TIME_WAIT sockets (tcp_tw_reuse).'),
            exhaustion: z.strictObject({
              kind: z.enum(['now', 'in', 'not at this rate']),
              inMs: ms().optional(),
              because: text(),
            }),
          }),
        )
        .max(50)
        .describe('Most used first.'),
    }),
  ),
});
