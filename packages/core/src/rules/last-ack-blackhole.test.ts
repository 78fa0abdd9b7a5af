import { describe } from 'vitest';
import { TcpState } from '../tcp/states.ts';
import { lastAckBlackhole } from './last-ack-blackhole.ts';
import { findsUnansweredFins, staysSilentOnOrdinaryFins } from './shared/blackhole_cases.ts';

describe('last-ack-blackhole finds', () => {
  findsUnansweredFins(
    lastAckBlackhole,
    TcpState.LAST_ACK,
    '8 connections in LAST_ACK on :8080: no answer to the last FIN (left by their program)',
  );
});

describe('last-ack-blackhole stays silent', () => {
  staysSilentOnOrdinaryFins(lastAckBlackhole, TcpState.LAST_ACK);
});
