import { type Diagnosis, reportJson } from '../../report/report_json.ts';
import type { Style } from './style.ts';
export function renderReport(d: Diagnosis, _o: { width: number; style: Style }): string {
  return `${JSON.stringify(reportJson(d), null, 1)}\n`;
}
