import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { settingsDocument } from './settings_doc.ts';

it('docs/settings.md says what the catalogue says', async () => {
  const file = fileURLToPath(new URL('../../../../docs/settings.md', import.meta.url));
  await expect(settingsDocument()).toMatchFileSnapshot(file);
});
