/** Execution providers that onnxruntime-node has on this platform, and whether their libraries ship inside it. */
export async function listProviders(): Promise<{ name: string; bundled: boolean }[]> {
  await import('./noTelemetry.js');
  const { listSupportedBackends } = await import('onnxruntime-node');
  return listSupportedBackends().map(({ name, bundled }) => ({ name, bundled }));
}
