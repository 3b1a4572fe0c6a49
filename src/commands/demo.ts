import { fileURLToPath } from 'node:url';
import { Command } from '@commander-js/extra-typings';
import type { Host } from './host.js';
import { run, withRunOptions } from './run.js';

/** The model that the package ships: a tiny trained Qwen2, exported by optimum-onnx. */
const DEMO_MODEL = fileURLToPath(new URL('../../fixtures/qwen2-optimum', import.meta.url));

export function demoCommand(host: Host): Command {
  return withRunOptions(new Command('demo'))
    .description('Do what `run` does, on the tiny Qwen2 model that the package ships.')
    .action(async (options) =>
      host.finish(await run({ ...options, model: DEMO_MODEL }, host, 'demo')),
    ) as unknown as Command;
}
