import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** Execution providers that onnxruntime-node has on this platform, and whether their libraries ship inside it. */
export async function listProviders(): Promise<{ name: string; bundled: boolean }[]> {
  await import('./noTelemetry.js');
  const { listSupportedBackends } = await import('onnxruntime-node');
  return listSupportedBackends().map(({ name, bundled }) => ({ name, bundled }));
}

/** The folder of onnxruntime-node's native binding, in which ONNX Runtime looks for the libraries of its providers. */
export function bindingFolder(): string {
  const require = createRequire(import.meta.url);
  const file = 'onnxruntime-node/package.json';
  const { binary } = require(file) as { binary: { napi_versions: number[] } };
  return join(
    dirname(require.resolve(file)),
    'bin',
    `napi-v${binary.napi_versions[0]}`,
    process.platform,
    process.arch,
  );
}
