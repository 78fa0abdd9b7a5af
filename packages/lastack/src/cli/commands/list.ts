import { DiagTable, dumpSockets, NetlinkProtocol, openNetlink } from '@lastack/kernel';
import type { Command } from 'commander';
import { type Effects, Exit } from '../../effects.ts';
import { ByteWriter } from '../render/byte_writer.ts';
import { layoutFor, writeHeader, writeRow } from '../render/socket_lines.ts';

export function listCommand(program: Command, effects: Effects, done: (code: number) => void): void {
  program
    .command('ls')
    .argument('[filter...]')
    .action(async () => {
      const transport = openNetlink(effects.libc(), NetlinkProtocol.SOCK_DIAG);
      const table = new DiagTable();
      const writer = new ByteWriter((bytes) => effects.stdout.write(bytes));
      const layout = layoutFor(21, false);
      writeHeader(writer, layout, { namespace: false, owner: false });
      const cell = Buffer.from('never');
      const cells = { clears: () => cell };
      await dumpSockets(
        transport,
        { states: 0x3fff },
        (words, view, at, end) => table.append(words, view, at, end),
        () => {
          for (let row = 0; row < table.count; row++) writeRow(writer, layout, table, row, cells);
          table.clear();
        },
      );
      writer.flush();
      done(Exit.OK);
    });
}
