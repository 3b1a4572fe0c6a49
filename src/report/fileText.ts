import type { FileJudgement, FileObstacle } from '../types.js';
import { listText } from './listText.js';

const OBSTACLES: Readonly<Record<FileObstacle, string>> = {
  mask: 'its own nodes make their mask from attention_mask alone, and know nothing of --mask',
  pack: 'its own nodes make their mask from attention_mask alone, and know nothing of --pack',
  past: 'its own nodes take a cache of their own, and know nothing of --past',
  'ring-cache':
    'its GroupQueryAttention keeps a sliding-window cache, with which ONNX Runtime takes no padded batch',
  failed: 'the process that ran its own nodes failed',
};

/** How the file, as it is, was judged, and what came of it. */
export function fileText({ means, label, stream, obstacle, batches, rows }: FileJudgement): string {
  const bad = [...new Set(rows.filter(({ kind }) => kind === 'valid').map(({ batch }) => batch))];
  const onPadding = rows.length > 0 && bad.length === 0;
  const found =
    bad.length > 0
      ? `NaN or Inf on valid tokens of ${listText(bad)}`
      : onPadding
        ? 'NaN or Inf on padding alone'
        : 'no NaN or Inf';
  const mark = bad.length > 0 || means === 'none' ? '✗' : '✓';
  switch (means) {
    case 'asked':
      return `✓ judged as ${label}`;
    case 'ran':
      return `${mark} judged by its own nodes, run beside the others: ${found}`;
    case 'stands': {
      const stands = `${mark} judged by ${stream?.replace(/\*$/, '')}: on the probe it has the bits of the file's own nodes`;
      return batches.length === 0
        ? stands
        : `${stands}; where that is not finite, its own nodes ran (${listText(batches)}): ${found}`;
    }
    case 'none':
      return `${mark} not judged as it is: ${OBSTACLES[obstacle ?? 'failed']}`;
  }
}
