const PATHS = {
  clock: 'M8 4.2V8l2.4 1.6M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z',
  tick: 'M3 8.6 6.2 12 13 4.6',
  ticks: 'M1 8.6 4.2 12 11 4.6M7.4 11.2l.9.8L15.2 4.6',
  alert: 'M8 4.8v3.8m0 2.4v.1M14 8A6 6 0 1 1 2 8a6 6 0 0 1 12 0Z',
  back: 'M10 3 5 8l5 5',
  send: 'M2.5 8h10M8.5 3.5 13 8l-4.5 4.5',
  down: 'M8 3v10M3.5 8.5 8 13l4.5-4.5',
  search: 'm10.5 10.5 3.5 3.5M12 7A5 5 0 1 1 2 7a5 5 0 0 1 10 0Z',
  close: 'm4 4 8 8m0-8-8 8',
  bolt: 'M9 1.8 3.5 9H8l-1 5.2L12.5 7H8l1-5.2Z',
  leave: 'M6.5 2.5h-4v11h4M10 5l3 3-3 3m3-3H6',
  bubble: 'M2 3h12v8.2H7.6L4.4 14v-2.8H2V3Z',
} as const

export type IconName = keyof typeof PATHS

/** A line icon of the text's colour; decoration, so screen readers skip it. */
export function icon(name: IconName, size = 16): SVGSVGElement {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg')
  const path = document.createElementNS('http://www.w3.org/2000/svg', 'path')
  for (const [key, value] of Object.entries({ viewBox: '0 0 16 16', width: size, height: size, class: `icon icon-${name}` }))
    svg.setAttribute(key, String(value))
  svg.setAttribute('aria-hidden', 'true')
  path.setAttribute('d', PATHS[name])
  svg.append(path)
  return svg
}
