import type { Actor } from '../actor-process.ts';

/** Which of the two directions of a path. */
export type Direction = 'to-server' | 'to-client' | 'both';

/** A client and a server in namespaces of their own, and what can be done to the way between them. */
export interface World {
  family: 4 | 6;
  client: Actor;
  server: Actor;
  clientAddress: string;
  serverAddress: string;
  /** Drops packets silently from now on; links stay up and next hops keep answering. Absent where nothing is between. */
  cut?(direction: Direction): Promise<void>;
  /** Drops only the packets of the service at this server port. */
  cutService?(port: number): Promise<void>;
  /** Takes the server's host off the network: its link-layer address stops answering, the client keeps its carrier. */
  removePeerHost?(): Promise<void>;
  /** Undoes every cut. */
  restore?(): Promise<void>;
}
