/** A line that CUDA's attention operators print with ORT_ENABLE_ATTENTION_KERNEL_DEBUG_INFO=1. */
const LINE = /Operator=\S+ Node=(\S+) DataType=\S+ SdpaKernel=([A-Z_]+)/g;

/**
 * The kernels that ONNX Runtime's CUDA provider says it took, by the names of their nodes. A node that took several,
 * in several runs, has the last.
 *
 * @param printed what the runtime wrote to its standard output, colour codes included
 */
export function toldKernels(printed: string): Map<string, string> {
  return new Map([...printed.matchAll(LINE)].map(([, node, kernel]) => [node!, kernel!]));
}
