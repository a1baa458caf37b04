// Curves in SVG. Of many steps those that share a pixel are averaged.
const HEIGHT = 176, LEFT = 44, RIGHT = 8, TOP = 10, BOTTOM = 22, COLUMNS = 340;

const number = v => (v === 0 ? '0' : Math.abs(v) >= 100 ? v.toFixed(0) : v.toPrecision(2));

// Means of the values in each column of the drawing.
function columns(steps, values) {
  const each = Math.max(1, Math.ceil(steps.length / COLUMNS)), points = [];
  for (let from = 0; from < steps.length; from += each) {
    const to = Math.min(from + each, steps.length);
    let sum = 0;
    for (let at = from; at < to; at++) sum += values[at];
    points.push([steps[to - 1], sum / (to - from)]);
  }
  return points;
}

export function plot(svg, steps, series) {
  const curves = series.map(values => columns(steps, values));
  const all = curves.flat().map(([, value]) => value);
  if (!all.length) return svg.replaceChildren();
  const width = svg.clientWidth || 400;
  const top = Math.max(...all) * 1.05 || 1, last = Math.max(steps.at(-1), 2), first = steps[0];
  const x = step => LEFT + (step - first) / Math.max(last - first, 1) * (width - LEFT - RIGHT);
  const y = value => HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);
  const lines = [0, top / 2, top].map(v => `<line class="grid" x1="${LEFT}" x2="${width - RIGHT}" y1="${y(v)}" y2="${y(v)}"/><text x="${LEFT - 6}" y="${y(v) + 4}" text-anchor="end">${number(v)}</text>`);
  const ends = `<text x="${LEFT}" y="${HEIGHT - 6}">${first}</text><text x="${width - RIGHT}" y="${HEIGHT - 6}" text-anchor="end">${last}</text>`;
  const paths = curves.map((points, at) => `<path class="c${at}" d="M${points.map(([s, v]) => `${x(s).toFixed(1)},${y(v).toFixed(1)}`).join('L')}"/>`);
  svg.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
  svg.innerHTML = lines.join('') + ends + paths.join('');
}

export function legend(caption, title, names, values) {
  caption.innerHTML = `${title}: ${names.map((name, at) => `<span class="k${at}">— ${name} ${values[at]?.toFixed(3) ?? ''}</span>`).join(' ')}`;
}
