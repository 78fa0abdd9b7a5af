import { describe } from 'vitest';
import { TcpState } from '../tcp/states.ts';
import { closingBlackhole } from './closing-blackhole.ts';
import { findsUnansweredFins, staysSilentOnOrdinaryFins } from './shared/blackhole_cases.ts';

describe('closing-blackhole finds', () => {
  findsUnansweredFins(
    closingBlackhole,
    TcpState.CLOSING,
    '8 connections in CLOSING on :8080: no answer to the FIN of a simultaneous close (left by their program)',
  );
});

describe('closing-blackhole stays silent', () => {
  staysSilentOnOrdinaryFins(closingBlackhole, TcpState.CLOSING);
});
