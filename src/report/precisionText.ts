import type { ImplementationInfo, Precision } from '../types.js';
import { listText } from './listText.js';

type Types = Pick<ImplementationInfo, 'written' | 'ran' | 'precision' | 'emulated'>;

/**
 * What an attention is computed in: `bf16, emulated`; `fp16 asked, fp32 ran` where none of its nodes computed in what it
 * is written in, as far as is told. 8 bits are a rounding between float32 operations, which ran as such.
 */
export function precisionText({ written, ran, precision, emulated }: Types): string {
  if (emulated) return `${precision}, emulated`;
  const isOther = ran.length > 0 && written !== 'int8' && !ran.includes(written);
  return isOther ? `${written} asked, ${typesText(ran)} ran` : written;
}

/** `fp16 and fp32` */
export function typesText(ran: readonly Precision[]): string {
  return listText(ran);
}
