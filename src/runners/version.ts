import { createRequire } from 'node:module';

/** Version of ONNX Runtime that runs the models, without loading it. */
export function onnxRuntimeVersion(): string {
  const { version } = createRequire(import.meta.url)('onnxruntime-node/package.json') as {
    version: string;
  };
  return version;
}
