import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { DEFAULT_SETTINGS } from '../testing.ts';
import { statesDocument } from './states_doc.ts';

it('docs/states.md says what the tables say', async () => {
  const file = fileURLToPath(new URL('../../../../docs/states.md', import.meta.url));
  await expect(statesDocument(DEFAULT_SETTINGS, '6.18')).toMatchFileSnapshot(file);
});
