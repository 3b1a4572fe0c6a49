import type { RunKey } from '../types.js';
import { settingsText } from '../attention/settings.js';
import { describeBatch, describeModel } from './describe.js';
import { describeEnvironment } from './machine.js';
import { modelDigest } from './modelDigest.js';
import { unseen } from './evidence.js';
import type { PreparedRun } from './prepare.js';

/**
 * What a run will be, as far as it is known before anything is run: all but the kernels, where they run, and the
 * precision of the file's own nodes, which is the model's affair.
 *
 * @throws AttnDiffError model-unreadable
 */
export async function plannedKey(
  { config, loaded, batches }: PreparedRun,
  signal?: AbortSignal,
): Promise<RunKey> {
  const [sha256, environment] = await Promise.all([
    modelDigest(loaded, signal),
    describeEnvironment(config.implementations.map(({ settings }) => settings.provider)),
  ]);
  return {
    model: { sha256, precision: describeModel(loaded).precision, activations: config.activations },
    environment,
    batches: batches.map(describeBatch),
    reference: config.reference,
    implementations: config.implementations.map((stream) => {
      const { name, asked, precision, emulated } = unseen(stream, {
        precision: 'fp32',
        emulated: false,
        written: 'fp32',
      });
      return {
        name,
        asked,
        settings: settingsText(stream),
        precision: stream.name === 'original' ? null : precision,
        emulated,
        provider: null,
        kernel: null,
      };
    }),
  };
}
