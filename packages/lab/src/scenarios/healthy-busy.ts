import { TcpState } from '@lastack/core';
import { SERVICE_PORT } from '../connection.ts';
import { LabError } from '../error.ts';
import { BOTH_FAMILIES, type Scenario } from '../scenario.ts';
import { settled } from '../settle.ts';
import { pair } from '../topology/pair.ts';

const SHORT_CONNECTIONS = 2_000;
const KEPT_OPEN = 50;
const LOOKS = 1_200;

/** Everything here is as it should be, and goes on while the doctor looks. */
const healthy: Scenario = {
  name: 'healthy-busy',
  title: 'a busy host on which nothing is wrong',
  expects: { rule: undefined, blame: [], state: undefined, forecastKind: undefined },
  families: BOTH_FAMILIES,
  run: async (lab, { family, count = SHORT_CONNECTIONS }) => {
    const world = await pair(lab, family);
    const to = { address: world.serverAddress, port: SERVICE_PORT };
    await world.server.call('serve', { at: to, replyAfterMs: 0 });
    await world.server.call('serve', { at: { ...to, port: SERVICE_PORT + 1 }, replyAfterMs: 100 });
    await world.client.call('churn', {
      to,
      perSecond: 1_000,
      halfClosePerSecond: 0,
      keepOpen: KEPT_OPEN,
      total: count,
    });
    for (let look = 0; (await world.client.call('churned', {})) < count; look++) {
      if (look > LOOKS) throw new LabError('the traffic of the healthy host did not get through');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    // From here on in the background: half-closes that the server answers after a moment.
    const slow = { ...to, port: SERVICE_PORT + 1 };
    await world.client.call('churn', { to: slow, perSecond: 20, halfClosePerSecond: 20, keepOpen: 0 });
    await settled(world.client, family, 'half-closes in flight', (sockets) =>
      sockets.some(({ state }) => state === TcpState.FIN_WAIT2),
    );
    return { observeIn: world.client, scope: 'namespace', sockets: [], settleMs: 0 };
  },
};

export const healthyBusy: readonly Scenario[] = [healthy];
