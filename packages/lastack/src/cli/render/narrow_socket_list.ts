import { type Row, stateName } from '@lastack/core';
import type { DiagTable } from '@lastack/kernel';
import type { Stream } from '../../effects.ts';
import { forecastListed } from '../../engine/forecast_listed.ts';
import type { ListedNamespace } from '../../engine/list_sockets.ts';
import { clearsText } from './clears.ts';
import { Page, type PageOptions } from './report_layout.ts';
import { connectionText } from './report_words.ts';
import { ownerCell } from './socket_lines.ts';
import type { ListTextOptions } from './socket_list_text.ts';
import { TextChunks } from './text_chunks.ts';

/** Below this the columns of the table cannot be told apart any more once the terminal has broken the lines. */
export const NARROW_COLUMNS = 60;

/** What `ls` prints on a narrow terminal: each socket as a short paragraph. */
export class NarrowSocketList {
  readonly #out: TextChunks;
  readonly #page: Page;
  readonly #options: ListTextOptions;

  constructor(stream: Stream, options: ListTextOptions, page: PageOptions) {
    this.#out = new TextChunks(stream);
    this.#page = new Page(page);
    this.#options = options;
  }

  readonly add = (table: DiagTable, row: Row, namespace: ListedNamespace): void => {
    const { namespaces, owners, timerHz, sinceMs } = this.#options;
    const parts = [
      ...(namespaces ? [`in ${namespace.label}`] : []),
      `recv-q ${table.receiveQueue(row)}, send-q ${table.sendQueue(row)}`,
      `clears ${clearsText(forecastListed(table, row, namespace, timerHz(), sinceMs()))}`,
      ...(owners ? [`owner ${ownerCell(table, row, namespace)}`] : []),
    ];
    const page = this.#page;
    const lines = [
      page.style.bold(page.say(stateName(table.state(row)))),
      ...page.prose(connectionText(table, row), '    ', '  '),
      ...parts.flatMap((part) => page.prose(part, '    ', '  ')),
    ];
    this.#out.add(`${lines.join('\n')}\n`);
  };

  end(): void {
    this.#out.flush();
  }
}
