/**
 * Takes out of a command's output what differs between machines, and nothing else:
 * - the path of the clone;
 * - what the header says of the machine (versions of onnxruntime and node, platform, processor);
 * - the digits of rounding (numbers below 1e-4 with a fraction, such as 2.38e-7: processors sum in different orders),
 *   and with them the widths of columns. Limits, written without a fraction (1e-5), stay.
 */
export function mask(text: string, root: string): string {
  return text
    .replaceAll(root, '…')
    .replace(/^(Provider +\w+) \([^]*?\)$(?=\n\S)/m, '$1 (machine)')
    .replaceAll(/[+-]?\d\.\d+e-(?:[5-9]|\d\d)\b/g, '~')
    .replaceAll(/(?<=\S) {2,}/g, '  ')
    .replaceAll(/^ {2,}/gm, '  ')
    .replaceAll(/─+/g, '─');
}
