import type { Finding, ImplementationInfo } from '../types.js';

/** A finding for every implementation that did not run to its end, or whose kernel is another than asked for. */
export function kernelFindings(infos: readonly ImplementationInfo[]): Finding[] {
  return infos.flatMap(
    ({
      name: implementation,
      failure,
      proof,
      reason,
      asked,
      kernel,
      provider,
      written,
      ran,
    }): Finding[] => {
      if (failure) return [{ code: 'implementation-failed', implementation, failure }];
      return proof === 'fallback' && reason !== null
        ? [
            {
              code: 'kernel-fallback',
              implementation,
              asked,
              kernel,
              provider,
              written,
              ran,
              reason,
            },
          ]
        : [];
    },
  );
}
