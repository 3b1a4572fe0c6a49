/**
 * A chart as one picture with one description. Plot describes its marks one by one, which means nothing within a
 * picture.
 *
 * @param chart what Plot draws without a title or a legend: an svg
 */
export function picture(chart: Element, label: string): SVGSVGElement {
  for (const mark of chart.querySelectorAll('[aria-label], [aria-description]')) {
    mark.removeAttribute('aria-label');
    mark.removeAttribute('aria-description');
  }
  chart.setAttribute('role', 'img');
  chart.setAttribute('aria-label', label);
  return chart as SVGSVGElement;
}
