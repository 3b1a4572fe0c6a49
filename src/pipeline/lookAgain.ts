import { causeOf, type ExplainOptions } from './explain.js';
import { partedNodes } from './nodeDivergence.js';
import { originOf } from './origin.js';
import type { SecondLook } from './secondLook.js';
import type { SecondPass } from './secondPass.js';

/**
 * Answers by running parts of the run again.
 *
 * @throws AttnDiffError execution-failed, runner-crashed, where it is asked
 */
export function lookAgain(
  context: SecondPass,
  options: ExplainOptions = { allLayers: false },
): SecondLook {
  return {
    origin: (place) => originOf(place, context),
    nodes: (place) => partedNodes(place, context),
    cause: (finding, rows) => causeOf(finding, rows, context, options),
  };
}
