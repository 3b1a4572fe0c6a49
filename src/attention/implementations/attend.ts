import type { GraphBuilder } from '../../onnx/builder.js';
import { DataType } from '../../onnx/types.js';
import type { ImplementationName } from '../../types.js';
import { rounded } from '../rounding.js';
import { deviated, spoiled } from './deviated.js';
import { implementationOf } from './index.js';
import type { AttentionInputs } from './types.js';

/**
 * Adds the nodes of one implementation under its settings: float32 Q, K and V are rounded to its precision first, as a
 * kernel of that precision is handed them, or cast to its type where the provider computes in it.
 *
 * @returns [B,H,S,D] of the implementation's output type
 */
export function attend(
  builder: GraphBuilder,
  name: Exclude<ImplementationName, 'original'>,
  inputs: AttentionInputs,
): string {
  const implementation = implementationOf(name, inputs.settings);
  const round = (tensor: string): string => {
    if (implementation.inputType !== DataType.FLOAT)
      return builder.cast(tensor, implementation.inputType);
    return name === 'exact' ? tensor : rounded(builder, tensor, inputs.settings.precision);
  };
  const output = implementation.build(
    builder,
    deviated(builder, {
      ...inputs,
      query: round(inputs.query),
      key: round(inputs.key),
      value: round(inputs.value),
    }),
  );
  return spoiled(
    builder,
    output,
    inputs,
    implementation.outputType === 'float64' ? DataType.DOUBLE : DataType.FLOAT,
  );
}
