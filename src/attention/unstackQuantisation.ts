import { AttnDiffError } from '../errors.js';
import type { GraphBuilder } from '../onnx/builder.js';
import { isOp, type OnnxGraph } from '../onnx/graph.js';
import { replaceUses } from '../onnx/rewrite.js';

/**
 * Gives each stream its own dynamic quantisation. DynamicQuantizeLinear takes its scale from the whole tensor, so in
 * a stacked batch one stream would change the numbers of another, and a NaN in one would reach all. Each such node
 * is split by stream, with the MatMulInteger nodes that read it; the scale becomes one number per row of the stack.
 *
 * @param count how many streams are stacked
 * @throws AttnDiffError graph-not-supported
 */
export function unstackQuantisation(builder: GraphBuilder, graph: OnnxGraph, count: number): void {
  for (const node of graph.graph.node) {
    if (!isOp(node, 'DynamicQuantizeLinear')) continue;
    const slices = builder.ops('Split', [node.input[0]!], count, {
      axis: 0n,
      num_outputs: BigInt(count),
    });
    const quantised = slices.map((slice) => builder.ops('DynamicQuantizeLinear', [slice], 3));
    const [values, scale, zeroPoint] = node.output as [string, string, string];
    for (const matmul of graph.consumers(values)) {
      if (!isOp(matmul, 'MatMulInteger'))
        throw new AttnDiffError('graph-not-supported', {
          problem: `its ${matmul.opType} '${matmul.name}' reads dynamically quantised values, which only MatMulInteger may`,
          remedy: 'quantisation',
        });
      const products = quantised.map(([part, , zero]) =>
        builder.op(
          'MatMulInteger',
          matmul.input.map((name) => (name === values ? part! : name === zeroPoint ? zero! : name)),
        ),
      );
      replaceUses(
        graph.consumers(matmul.output[0]!),
        matmul.output[0]!,
        builder.op('Concat', products, { axis: 0n }),
      );
    }
    const scales = quantised.map(([, partScale], i) =>
      builder.op('Expand', [partScale!, rowsOf(builder, slices[i]!)]),
    );
    replaceUses(graph.consumers(scale), scale, builder.op('Concat', scales, { axis: 0n }));
  }
}

/** [rows, 1, 1] for a slice of [rows, tokens, width]. */
function rowsOf(builder: GraphBuilder, slice: string): string {
  return builder.op('Concat', [builder.op('Shape', [slice], { end: 1n }), builder.ints(1, 1)], {
    axis: 0n,
  });
}
