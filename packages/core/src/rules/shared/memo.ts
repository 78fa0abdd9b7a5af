import type { RuleContext } from '../../finding.ts';
import type { NamespaceSnapshot } from '../../snapshot.ts';

/** The `memo` of one RuleContext. Make a new one for each diagnosis: it keeps what it built as long as it lives. */
export function createMemo(): RuleContext['memo'] {
  const built = new Map<NamespaceSnapshot, Map<unknown, unknown>>();
  return <T>(namespace: NamespaceSnapshot, build: (namespace: NamespaceSnapshot) => T): T => {
    let ofNamespace = built.get(namespace);
    if (!ofNamespace) {
      ofNamespace = new Map();
      built.set(namespace, ofNamespace);
    }
    if (!ofNamespace.has(build)) ofNamespace.set(build, build(namespace));
    return ofNamespace.get(build) as T;
  };
}
