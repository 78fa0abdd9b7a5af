import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { DEFAULT_SETTINGS } from '../testing.ts';
import { adviceDocument } from './advice_doc.ts';

it('docs/advice.md says what the verdicts say', async () => {
  const file = fileURLToPath(new URL('../../../../docs/advice.md', import.meta.url));
  await expect(adviceDocument(DEFAULT_SETTINGS, '6.18')).toMatchFileSnapshot(file);
});
