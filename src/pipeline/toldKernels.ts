/** A line that CUDA's attention operators print with ORT_ENABLE_ATTENTION_KERNEL_DEBUG_INFO=1. */
const LINE = /Operator=\S+ Node=(\S+) DataType=\S+ SdpaKernel=([A-Z_]+)/g;

/**
 * The kernels that ONNX Runtime's CUDA provider says it took, by the names of their nodes; several where it took
 * another in another run.
 *
 * @param printed what the runtime wrote to its standard output, colour codes included
 */
export function toldKernels(printed: string): Map<string, Set<string>> {
  const told = new Map<string, Set<string>>();
  for (const [, node, kernel] of printed.matchAll(LINE))
    told.set(node!, (told.get(node!) ?? new Set()).add(kernel!));
  return told;
}
