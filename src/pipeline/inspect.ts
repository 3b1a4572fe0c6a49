import type { ModelOptions } from '../model/index.js';
import { findingLevel } from '../metrics/index.js';
import { tensorTypeName } from '../onnx/types.js';
import type { Runner } from '../runners/types.js';
import { IMPLEMENTATIONS, type Finding, type Inspection } from '../types.js';
import { compareGraphWithConfig } from './asConfigured.js';
import { describeModel } from './describe.js';
import { obstacle } from './buildable.js';
import { fileFindings } from './fileFindings.js';
import { inputNotes } from './inputNotes.js';
import { loadModel } from './load.js';
import { resolveLogits } from './logits.js';
import { resolveSites } from './resolve.js';

/**
 * Tells what is recognised in a model. Of its weights only samples are read.
 *
 * @throws AttnDiffError codes of exit 3, execution-failed
 */
export async function inspect(
  path: string,
  runner: Runner,
  options: ModelOptions = {},
): Promise<Inspection> {
  return (await survey(path, runner, options)).inspection;
}

/**
 * Tells the same, and whether the model comes with a tokenizer.
 *
 * @throws AttnDiffError as {@link inspect}
 */
export async function survey(
  path: string,
  runner: Runner,
  options: ModelOptions = {},
): Promise<{ inspection: Inspection; hasTokenizer: boolean }> {
  const loaded = await loadModel(path, options);
  const sites = await resolveSites(loaded, runner);
  const { findings, checked } = await compareGraphWithConfig(loaded, sites, runner);
  const inspection = {
    model: describeModel(loaded),
    inputs: loaded.fileInputs
      .map((input) => (loaded.graft && input.role === 'ids' ? loaded.graft.input : input))
      .map(({ name, type, shape }) => ({
        name,
        type: tensorTypeName(type),
        shape: shape.map((dim) => dim ?? '?'),
      })),
    inputNotes: inputNotes(loaded),
    outputs: loaded.outputs,
    logits: (await resolveLogits(loaded, runner)).logits,
    externalData: loaded.externalFiles,
    layers: sites.map(({ layer, form, core, fileMask, scale, softmaxPrecision, nanGuard }) => ({
      layer,
      form,
      node: core.name,
      mask: fileMask,
      scale,
      softmaxPrecision,
      nanGuard,
      checked: checked.get(layer) ?? [],
    })),
    findings: faultsFirst([...fileFindings(loaded, sites), ...findings]),
    implementations: IMPLEMENTATIONS.map((name) => {
      const reason = obstacle(loaded, name);
      return { name, buildable: reason === null, reason };
    }),
  };
  return { inspection, hasTokenizer: loaded.source.tokenizerPath !== null };
}

/** What is wrong before what is only to be known, each in their order. */
function faultsFirst(found: readonly Finding[]): Finding[] {
  const isFault = (finding: Finding): boolean => findingLevel(finding) === 'fault';
  return [...found.filter(isFault), ...found.filter((finding) => !isFault(finding))];
}
