/** A number in a chart of lines. */
export interface LinePoint {
  series: string;
  x: string;
  value: number;
  /** What is said of it beside its value: where it was measured. */
  note: string;
}
